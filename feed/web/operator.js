// The operator's tab: the service's own numbers, for who runs it.

import { flag, put } from "./cell.js";
import { drawHeat } from "./operator-heat.js";
import { Looks, quantile, sum } from "./operator-numbers.js";
import { build, showHops, shown, showProcesses, showRow, verdict } from "./operator-panels.js";
import { hop, NAMES, ROWS, spread, stand, waterfall, WHOLE } from "./operator-stats.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 8000; // the first answer waits until all processes have seen the question
const REFUSED = [401, 403];

export class Operator {
  #section;
  #headers;
  #page = null;
  #looks = new Looks(NAMES);
  #asking = null; // what ends the asking, while the tab is shown
  #heardAt = null;

  /** `section` is the tab's own, empty; `headers()` gives REST headers of whoever is signed in. */
  constructor(section, { headers }) {
    this.#section = section;
    this.#headers = headers;
  }

  /** The tab is shown: begins to ask. */
  open() {
    if (this.#asking !== null) return;
    this.#page ??= build(this.#section);
    this.#asking = new AbortController();
    this.#ask(this.#asking.signal);
  }

  /** The tab is hidden, or its reader may not see it any more: asks no longer. */
  close() {
    this.#asking?.abort();
    this.#asking = null;
  }

  async #ask(ended) {
    while (!ended.aborted) {
      const next = pause(EVERY_MS, ended);
      const fault = document.hidden ? "" : await this.#look(ended);
      if (ended.aborted) return;
      if (fault !== "") this.#complain(fault);
      await next;
    }
  }

  /** Asks once and shows the answer; why there is none, or "". */
  async #look(ended) {
    const headers = { Accept: "application/json", ...this.#headers() };
    const signal = AbortSignal.any([ended, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const answer = await fetch("/operator/metrics", { headers, redirect: "error", signal });
      if (REFUSED.includes(answer.status)) return "Only operators may see this: sign in with a key that is one’s";
      if (!answer.ok) return `The gateway answered with status ${answer.status}`;
      this.#show(await answer.json());
      return "";
    } catch (error) {
      return error.name === "TimeoutError" ? "The gateway does not answer" : "The gateway cannot be reached";
    }
  }

  #show(body) {
    const page = this.#page;
    this.#heardAt = Date.now();
    this.#looks.take(body);
    const rows = ROWS.map((row) => row.stats.map((stat) => stand(stat, this.#looks)));
    rows.forEach((row, at) => showRow(page[`row${at}`], row));
    this.#sentence(body, rows.flat());
    showHops(page, waterfall(this.#looks));
    this.#heat();
    showProcesses(page.processes, body.processes);
  }

  #sentence(body, standing) {
    const { tone, text } = body.complete
      ? verdict(standing, body.processes)
      : { tone: "bad", text: "Redis does not answer: these are the numbers of this process alone" };
    flag(this.#page.verdict, "tone", tone);
    put(this.#page.sentence, text);
    const count = body.processes.length;
    put(this.#page.asked, `${count} ${count === 1 ? "process" : "processes"} · counts are of the last minute`);
  }

  #heat() {
    const looks = spread(this.#looks, WHOLE);
    const buckets = hop(this.#looks, WHOLE);
    const counted = sum(looks.flatMap(({ counts }) => counts.map(([, by]) => by)));
    const words = counted === 0
      ? "no deliveries in the last minute"
      : `p50 ${shown(quantile(0.5, buckets))}, p99 ${shown(quantile(0.99, buckets))}, p99.9 ${shown(quantile(0.999, buckets))}`;
    drawHeat(this.#page.heat, looks, this.#looks.t);
    if (this.#page.heat.ariaLabel !== words) this.#page.heat.ariaLabel = words;
    put(this.#page.heatNote, `${words}. One band is health; a second one above it is a group of clients that is worse off.`);
  }

  #complain(fault) {
    const age = this.#heardAt === null ? "" : `; the numbers are ${Math.round((Date.now() - this.#heardAt) / 1000)} s old`;
    flag(this.#page.verdict, "tone", "bad");
    put(this.#page.sentence, `${fault}${age}`);
  }
}

function pause(ms, ended) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    ended.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
