// What a chart shows of one symbol: its bars, trades and quotes, from the gateway's history and then live. Pure.

import { MINUTE_MS, SECOND_MS, candle, openMinute } from "./candles.js";
import { Series, indexAt } from "./series.js";

export const CHARTED = Object.freeze(["bars1s", "bars", "trades", "quotes"]);
const KIND = Object.freeze({ t: "trades", q: "quotes", b: "bars" });
const NEW = Object.freeze({
  bars1s: () => new Series({ capacity: 3600, lengthMs: SECOND_MS }),
  bars: () => new Series({ capacity: 480, lengthMs: MINUTE_MS }),
  trades: () => new Series({ capacity: 4000 }),
  quotes: () => new Series({ capacity: 8000 }),
});
/** What each way of looking is drawn from. */
const DRAWN = Object.freeze({ second: ["bars1s"], minute: ["bars", "bars1s"], tick: ["trades", "quotes"] });

export class ChartData {
  #series = Object.fromEntries(CHARTED.map((kind) => [kind, NEW[kind]()]));
  // What comes while the history is on its way: it is to follow it.
  #waiting = Object.fromEntries(CHARTED.map((kind) => [kind, []]));

  constructor(symbol) {
    this.symbol = symbol;
  }

  get loading() {
    return Object.values(this.#waiting).some((waiting) => waiting !== null);
  }

  /** A live message; true if it is of this symbol and changes what `mode` shows. */
  take(message, mode) {
    const kind = this.#kind(message);
    if (kind === undefined) return false;
    const waiting = this.#waiting[kind];
    if (waiting !== null) waiting.push(message);
    else if (this.#series[kind].take(message)) return DRAWN[mode].includes(kind);
    return false;
  }

  /** The history of a kind, oldest first; `kept` is what the page has of it, from an earlier time maybe. */
  loaded(kind, history, kept = []) {
    const [first] = kept;
    const before = first === undefined ? [] : history.filter(({ q }) => q !== undefined && q < first.q);
    for (const message of [...before, ...kept, ...history, ...this.#waiting[kind]]) this.#series[kind].take(message);
    this.#waiting[kind] = null;
  }

  series(kind) {
    return this.#series[kind];
  }

  /** Candles of a mode, oldest first, the open minute last. */
  candles(mode) {
    if (mode === "second") return this.#series.bars1s.entries.map(candle);
    const { bars, bars1s } = this.#series;
    const open = openMinute(bars1s.entries, bars.entries);
    return [...bars.entries.map(candle), ...(open ? [open] : [])];
  }

  /** The stretches missing from what a mode shows. */
  holes(mode) {
    return DRAWN[mode].slice(0, mode === "tick" ? 2 : 1).flatMap((kind) => this.#series[kind].holes);
  }

  /** How many entries are missing of what a mode shows, and whether more may be. */
  missing(mode) {
    const parts = (mode === "tick" ? DRAWN.tick : [DRAWN[mode][0]]).map((kind) => this.#series[kind].missing());
    return { count: parts.reduce((sum, { count }) => sum + count, 0), certain: parts.every(({ certain }) => certain) };
  }

  /** Entries of a kind within a time, and one more on either side: what reaches into it. */
  between(kind, fromMs, toMs) {
    const { entries } = this.#series[kind];
    return entries.slice(Math.max(0, indexAt(entries, fromMs) - 1), indexAt(entries, toMs) + 1);
  }

  #kind(message) {
    if (message.T === "gap" || message.T === "epoch") {
      const at = message.stream.indexOf(":");
      return message.stream.slice(at + 1) === this.symbol ? message.stream.slice(0, at) : undefined;
    }
    return message.S === this.symbol ? (message.kind ?? KIND[message.T]) : undefined;
  }
}
