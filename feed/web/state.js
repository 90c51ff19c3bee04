// What the page knows: messages of the protocol in, rows, totals and events out. Pure: no DOM, no clock.

import { symbolOf } from "./asks.js";
import { Comeback } from "./comeback.js";
import { Rate, Samples, Skew } from "./measure.js";
import { Positions, Verdict } from "./positions.js";
import { HOPS, Row } from "./row.js";

const KIND = Object.freeze({ t: "trades", q: "quotes", b: "bars" });
const KINDS = Object.freeze([...Object.values(KIND), "bars1s"]);
const EVENTS_KEPT = 60;

export class Board {
  rows = new Map();
  events = [];
  eventsSeen = 0;
  streams = 0;
  gaps = 0;
  holes = 0;
  resumes = 0;
  busLost = false;
  comeback = new Comeback();
  positions = new Positions();
  skew = new Skew();
  messages = new Rate();
  bytes = new Rate();
  delay = new Samples(2048);
  hops = HOPS.map(() => new Samples(1024));

  #also = new Set();

  /** Sets the symbols shown, and streams of theirs beyond trades, quotes and bars; the others are forgotten. */
  show(symbols, also = []) {
    const wanted = new Map(symbols.map((symbol) => [symbol, this.rows.get(symbol) ?? new Row(symbol)]));
    for (const symbol of this.rows.keys()) {
      if (!wanted.has(symbol)) for (const kind of Object.values(KIND)) this.positions.drop(`${kind}:${symbol}`);
    }
    this.rows = wanted;
    const dropped = [...this.#also].filter((stream) => !also.includes(stream));
    for (const stream of dropped) this.positions.drop(stream);
    this.#also = new Set(also);
  }

  log(level, text, nowMs) {
    this.eventsSeen += 1;
    this.events.push({ id: this.eventsSeen, level, text, atMs: nowMs });
    if (this.events.length > EVENTS_KEPT) this.events.shift();
  }

  /** Streams that the reader may not have. A symbol without any says so in its row. */
  deny(kind, symbols, nowMs) {
    const rows = symbols.map((symbol) => this.rows.get(symbol)).filter((row) => row && !row.denied.has(kind));
    for (const row of rows) {
      row.denied.add(kind);
      if (Object.values(KIND).every((each) => row.denied.has(each))) row.status = "not included";
    }
    const names = rows.map((row) => row.symbol).join(", ");
    if (names !== "") this.log("warn", `Not included in your access: ${kind} of ${names}`, nowMs);
  }

  /** One frame: an array of messages. `nowUs` is the same moment as `nowMs` on the finest clock there is. */
  frame(messages, bytes, nowMs, nowUs) {
    this.bytes.add(bytes, nowMs);
    for (const message of messages) {
      if (Object.hasOwn(KIND, message.T)) this.#tick(message, nowMs, nowUs);
      else if (Object.hasOwn(this.#control, message.T)) this.#control[message.T](message, nowMs);
    }
  }

  #tick(message, nowMs, nowUs) {
    const row = this.rows.get(message.S);
    const stream = `${message.kind ?? KIND[message.T]}:${message.S}`;
    if (!this.#shows(stream)) return; // a few of a stream that was just dropped may still come
    this.messages.add(1, nowMs);
    const verdict = this.positions.tick(stream, message);
    if (verdict === Verdict.HOLE || verdict === Verdict.REPEAT) this.#unexplained(stream, verdict, nowMs);
    row.take(message, nowMs);
    if (!message.snap && message.tp !== undefined) this.#stamps(row, message, nowMs, nowUs);
  }

  #shows(stream) {
    return this.rows.has(symbolOf(stream)) && (!stream.startsWith("bars1s:") || this.#also.has(stream));
  }

  #stamps(row, { T, ti, tp, tg, tw }, nowMs, nowUs) {
    const hereUs = nowUs + this.skew.correctionUs;
    // a bar was received with its last trade, which may be long ago: no delay of that hop
    const hops = [T === "b" ? null : tp - ti, tg - tp, tw - tg, hereUs - tw];
    hops.forEach((hop, at) => hop !== null && this.hops[at].add(hop, nowMs));
    this.delay.add(hereUs - tp, nowMs);
    row.took(hops, hereUs - tp, nowMs);
  }

  #unexplained(stream, verdict, nowMs) {
    this.holes += 1;
    const what = verdict === Verdict.REPEAT ? "came twice" : "is missing ticks that no message named";
    this.log("bad", `${stream} ${what}`, nowMs);
  }

  #missed(stream, count, nowMs) {
    if (count === 0) return;
    this.#gap(this.rows.get(symbolOf(stream)), nowMs);
    this.comeback.missed(stream, count, nowMs);
    this.log("warn", `Missed ${count} ticks of ${stream} while disconnected`, nowMs);
  }

  #gap(row, nowMs) {
    this.gaps += 1;
    row.gapAt = nowMs;
  }

  #control = {
    subscription: (message, nowMs) => {
      this.streams = KINDS.reduce((sum, kind) => sum + (message[kind]?.length ?? 0), 0);
      const granted = Object.entries(message.streams ?? {}).filter(([stream]) => this.#shows(stream));
      for (const [stream, position] of granted) this.#missed(stream, this.positions.granted(stream, position), nowMs);
      const recovered = granted.filter(([, position]) => position.recovered === true).length;
      if (recovered === 0) return;
      this.resumes += recovered;
      this.comeback.resumed(recovered);
      this.log("good", `Resumed ${recovered} streams where they had stopped: nothing missed`, nowMs);
    },
    gap: (message, nowMs) => {
      if (!this.#shows(message.stream)) return;
      this.positions.gap(message);
      this.#gap(this.rows.get(symbolOf(message.stream)), nowMs);
      this.comeback.missed(message.stream, lost(message), nowMs);
      this.log("warn", `Gap in ${message.stream}: ${missing(message)} (${message.cause})`, nowMs);
    },
    epoch: (message, nowMs) => {
      // The first epoch of a stream is no news to a reader.
      if (this.positions.epoch(message) === null) return;
      this.log("info", `${message.stream} goes on in epoch ${message.epoch}: nothing missed`, nowMs);
    },
    heartbeat: (message, nowMs) => {
      const lost = message.seq === undefined;
      if (lost && !this.busLost) this.log("bad", "The gateway has lost the bus: prices may be old", nowMs);
      if (!lost && this.busLost) this.log("good", "The gateway has the bus again", nowMs);
      this.busLost = lost;
      for (const stream of this.positions.behind(message)) this.#unexplained(stream, Verdict.HOLE, nowMs);
    },
    status: (message, nowMs) => {
      const row = this.rows.get(message.S);
      if (row) {
        row.status = message.state;
        row.version += 1;
      }
      this.log(message.state === "live" ? "good" : "warn", `${message.S} is ${message.state}`, nowMs);
    },
    notice: (message, nowMs) => {
      const lag = message.lag_ms === undefined ? "" : ` (${message.lag_ms} ms behind)`;
      this.log("warn", `Notice ${message.code}: ${message.msg ?? ""}${lag}`, nowMs);
    },
    error: (message, nowMs) => {
      const detail = message.detail === undefined ? "" : ` (${message.detail})`;
      this.log("bad", `Error ${message.code}: ${message.msg}${detail}`, nowMs);
    },
  };
}

/** How many ticks a gap stands for, null where that is not known. */
function lost({ from, to, ids }) {
  if (ids) return ids[1] - ids[0] + 1;
  return to === null || to === undefined ? null : to - from + 1;
}

function missing({ from, to, ids }) {
  if (ids) return `venue ids ${ids[0]} to ${ids[1]} missing`;
  if (to === null || to === undefined) return `everything after ${from - 1} missing`;
  return from === to ? `tick ${from} missing` : `ticks ${from} to ${to} missing (${to - from + 1})`;
}
