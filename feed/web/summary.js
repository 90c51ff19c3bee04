// The head of the page and its foot: the connection's state, totals, where the time goes, and the log of events.

import { cells, draw, flag, put } from "./cell.js";
import * as format from "./format.js";
import { HOPS, SPAN_MS } from "./row.js";

export class Summary {
  #cell;
  #logged = 0;

  constructor(root) {
    this.#cell = cells(root);
  }

  /** `link` is what the connection last told; `heardAt` is when its last frame came, null before. */
  show(link, board, nowMs, heardAt) {
    this.state(link, board, nowMs);
    this.totals(board, nowMs, heardAt);
    this.hops(board, nowMs);
    this.log(board);
  }

  state(link, board, nowMs) {
    const { pill, state, retry } = this.#cell;
    const [tone, text] = describe(link, board, nowMs);
    flag(pill, "tone", tone);
    put(state, text);
    retry.hidden = !["waiting", "stopped"].includes(link.name) || link.again === false;
  }

  totals(board, nowMs, heardAt) {
    const { messages, bytes, streams, p50, p99, worst, gaps, holes, resumes, trip, heard } = this.#cell;
    put(messages, format.rate(board.messages.perSecond(nowMs)));
    put(bytes, format.rate(board.bytes.perSecond(nowMs) / 1000));
    put(streams, String(board.streams));
    const delay = board.delay.quantiles(nowMs, SPAN_MS);
    put(p50, delay ? format.delay(delay.p50) : "–");
    put(p99, delay ? format.delay(delay.p99) : "–");
    put(worst, slowest(board));
    put(gaps, String(board.gaps));
    put(resumes, String(board.resumes));
    flag(gaps, "tone", board.gaps > 0 ? "warn" : "");
    put(holes, `${board.holes} unexplained`);
    flag(holes, "tone", board.holes > 0 ? "bad" : "");
    put(trip, board.skew.rttUs === null ? "–" : format.delay(board.skew.rttUs));
    put(heard, heardAt === null ? "nothing heard yet" : heardAndClock(board.skew, nowMs - heardAt));
  }

  hops(board, nowMs) {
    const measured = board.hops.map((samples) => samples.quantiles(nowMs, SPAN_MS));
    HOPS.forEach((name, i) => {
      const hop = measured[i];
      put(this.#cell[`${name}50`], hop ? format.delay(hop.p50) : "–");
      put(this.#cell[`${name}99`], hop ? format.delay(hop.p99) : "–");
      draw(this.#cell[`${name}Bar`], "--p50", `${onScale(hop?.p50)}%`);
      draw(this.#cell[`${name}Bar`], "--p99", `${onScale(hop?.p99)}%`);
    });
  }

  log(board) {
    if (this.#logged === board.eventsSeen) return;
    const { log } = this.#cell;
    for (const event of board.events.filter(({ id }) => id > this.#logged)) log.prepend(entry(event));
    this.#logged = board.eventsSeen;
    while (log.childElementCount > board.events.length) log.lastElementChild.remove();
  }

  restart() {
    this.#logged = 0;
    this.#cell.log.replaceChildren();
  }
}

/** What a change of the connection is told as in the log: level and text, or nothing. */
export function eventOf({ name, code, reason, delay }, feed) {
  const why = `${code}${reason ? ` ${reason}` : ""}`;
  if (name === "live") return ["good", `Connected to ${feed}`];
  if (name === "waiting") return ["warn", `Connection lost (${why}): reconnecting in ${(delay / 1000).toFixed(1)} s`];
  if (name === "stopped") return ["bad", `The gateway closed the connection for good (${why})`];
  return [];
}

function describe(link, board, nowMs) {
  if (link.name === "waiting") return ["warn", `Reconnecting in ${Math.max(0, Math.ceil((link.retryAtMs - nowMs) / 1000))} s`];
  if (link.name === "locked") return ["warn", "Not signed in"];
  if (link.name === "connecting") return ["warn", "Connecting"];
  if (link.name === "stopped") return ["bad", `Disconnected (${link.code}${link.reason ? ` ${link.reason}` : ""})`];
  return board.busLost ? ["bad", "Bus lost"] : ["good", "Live"];
}

function slowest(board) {
  let worst = null;
  for (const { symbol, measured } of board.rows.values()) {
    if (measured.delay && (worst === null || measured.delay.p99 > worst.p99)) worst = { symbol, p99: measured.delay.p99 };
  }
  return worst ? `worst ${worst.symbol} ${format.delay(worst.p99)}` : "publish → here";
}

function heardAndClock(skew, heardMs) {
  const heard = `heard ${format.age(heardMs)} ago`;
  return skew.correctionUs === 0 ? heard : `${heard} · clocks ${format.delay(skew.correctionUs)} apart`;
}

/** Percent of a logarithmic scale of five decades, 10 us to 1 s: the hops differ by more than a line can show. */
function onScale(micros) {
  return micros > 10 ? Math.min(100, Math.log10(micros / 10) * 20).toFixed(1) : 0;
}

function entry({ level, text, atMs }) {
  const item = document.createElement("li");
  item.dataset.tone = level;
  const time = document.createElement("time");
  time.textContent = format.clock(atMs);
  const words = document.createElement("span");
  words.textContent = text;
  item.append(time, words);
  return item;
}
