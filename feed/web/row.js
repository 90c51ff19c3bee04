// What the page knows of one symbol: its last trade, quote and bars, how often they come and how late. Pure.

import { decimals } from "./format.js";
import { Rate, Samples, parseMicros } from "./measure.js";

export const HOPS = Object.freeze(["ingest", "bus", "gateway", "browser"]);
export const SPAN_MS = 5000;
export const TREND_STEP_MS = 500;
export const TREND_POINTS = 120;
const MINUTES_KEPT = 240;
const NOTHING = Object.freeze({ delay: null, hops: HOPS.map(() => 0), trades: 0, quotes: 0 });

export class Row {
  price = null;
  // The first price that this page saw: what a change can honestly be measured from.
  opened = null;
  direction = 0;
  moves = 0;
  digits = 2;
  trade = null;
  quote = null;
  bar = null;
  minutes = [];
  status = "live";
  denied = new Set();
  gapAt = -Infinity;
  heardAt = null;
  trend = [];
  version = 0;
  /** Rates and delays as of the last `measure`: what is shown, sorted by, and compared. */
  measured = NOTHING;
  #trades = new Rate();
  #quotes = new Rate();
  #delay = new Samples(256);
  #hops = HOPS.map(() => new Samples(96));

  constructor(symbol) {
    this.symbol = symbol;
  }

  get change() {
    return this.opened === null ? null : this.price - this.opened;
  }

  /** Between the best bid and ask, null where a side has no order: its price is then 0, which is none. */
  get spread() {
    const { bp, ap } = this.quote ?? {};
    return bp && ap ? ap - bp : null;
  }

  take(message, nowMs) {
    this.version += 1;
    this.heardAt = message.snap ? Math.min(nowMs, parseMicros(message.t) / 1000) : nowMs;
    if (message.T === "b") this.#bar(message);
    if (message.T === "q") this.#quote(message);
    if (message.T === "t") this.#trade(message, nowMs);
    if (message.snap || message.T === "b") return;
    (message.T === "t" ? this.#trades : this.#quotes).add(message.m?.n ?? 1, nowMs);
  }

  /** `hops` are microseconds from hop to hop, `total` from publishing to here. */
  took(hops, total, nowMs) {
    hops.forEach((hop, at) => hop !== null && this.#hops[at].add(hop, nowMs));
    this.#delay.add(total, nowMs);
  }

  measure(nowMs) {
    this.measured = {
      delay: this.#delay.quantiles(nowMs, SPAN_MS),
      hops: this.#hops.map((samples) => samples.quantiles(nowMs, SPAN_MS)?.p50 ?? 0),
      trades: this.#trades.perSecond(nowMs),
      quotes: this.#quotes.perSecond(nowMs),
    };
  }

  #bar(message) {
    if (message.kind === "bars1s") return;
    this.bar = message;
    if (this.minutes.at(-1)?.t === message.t) this.minutes.pop();
    this.minutes.push(message);
    if (this.minutes.length > MINUTES_KEPT) this.minutes.shift();
  }

  #quote(message) {
    this.quote = message;
    this.#widen(message.bp);
    this.#widen(message.ap);
  }

  #trade(message, nowMs) {
    this.trade = message;
    this.#widen(message.p);
    this.opened ??= message.p;
    if (this.price !== null && message.p !== this.price) {
      this.direction = message.p > this.price ? 1 : -1;
      this.moves += 1;
    }
    this.price = message.p;
    const step = Math.floor(nowMs / TREND_STEP_MS);
    const newest = this.trend.at(-1);
    if (newest?.step === step) newest.price = message.p;
    else this.trend.push({ step, price: message.p });
    while (this.trend[0].step <= step - TREND_POINTS) this.trend.shift();
  }

  /** More decimals are kept once seen: a column of prices that changes its width can't be read. */
  #widen(value) {
    if (value && this.digits < 8) this.digits = Math.max(this.digits, decimals(value));
  }
}
