// The chart's tab: one symbol's bars and ticks, drawn only when something changed.

import { flag, put } from "./cell.js";
import { CHARTED, ChartData } from "./chartdata.js";
import { MINUTE_MS, SECOND_MS } from "./candles.js";
import { candleWords, missingWords, summaryWords, tradeWords } from "./chartwords.js";
import * as format from "./format.js";
import { Grip } from "./grip.js";
import { Plot } from "./plot.js";
import { padded } from "./scale.js";
import { indexAt, nearest } from "./series.js";
import { Span } from "./span.js";

const LENGTH_MS = Object.freeze({ second: SECOND_MS, minute: MINUTE_MS, tick: 0 });
const SPANS = Object.freeze({
  second: { firstMs: 90_000, leastMs: 15_000, mostMs: 3_600_000 },
  minute: { firstMs: 45 * MINUTE_MS, leastMs: 8 * MINUTE_MS, mostMs: 480 * MINUTE_MS },
  tick: { firstMs: 20_000, leastMs: 1_000, mostMs: 120_000 },
});
const WORDS_MS = 1000;

export class Chart {
  #cell;
  #plot;
  #data = null;
  #row = null;
  #mode = "second";
  #spans = Object.fromEntries(Object.entries(SPANS).map(([mode, span]) => [mode, new Span(span)]));
  #cross = null;
  #items = [];
  #dirty = true;
  #wordsAt = 0;
  #headed = -1;

  /** `history(stream)` promises the gateway's recent entries; `onFault(text)` is told where it has none to give. */
  constructor(cell, { history, onFault }) {
    this.#cell = cell;
    this.#plot = new Plot(cell.canvas);
    Object.assign(this, { history, onFault });
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect)).observe(cell.plot);
    new Grip(cell.plot, {
      point: (share) => this.#point(share),
      pan: (share) => this.#pan(share),
      zoom: (factor, share) => this.#zoom(factor, share),
      step: (by) => this.#step(by),
      end: (newest) => (newest ? this.#follow() : this.#pan(Infinity)),
      leave: () => this.#aim(null),
    });
    cell.modes.addEventListener("change", ({ target }) => this.#look(target.value));
    cell.zoomIn.addEventListener("click", () => this.#zoom(0.7, 1));
    cell.zoomOut.addEventListener("click", () => this.#zoom(1 / 0.7, 1));
    cell.now.addEventListener("click", () => this.#follow());
  }

  /** The symbol charted, null while nobody looks. */
  get symbol() {
    return this.#data?.symbol ?? null;
  }

  /** Begins with a symbol; `row` is what the page knows of it. */
  open(row) {
    this.#row = row;
    this.#headed = -1;
    this.#data = new ChartData(row.symbol);
    for (const span of Object.values(this.#spans)) span.follow();
    this.#aim(null);
    for (const kind of CHARTED) this.#load(this.#data, kind, row);
  }

  /** Nobody looks any more: nothing is kept, and nothing drawn. */
  close() {
    this.#data = this.#row = null;
  }

  take(messages) {
    if (this.#data === null) return;
    for (const message of messages) if (this.#data.take(message, this.#mode)) this.#dirty = true;
  }

  /** Colours or sizes changed. */
  renew() {
    this.#dirty = true;
  }

  frame(nowMs) {
    if (this.#data === null) return;
    this.#head();
    if (this.#dirty && this.#plot.width > 0) {
      this.#dirty = false;
      this.#draw();
    }
    if (nowMs - this.#wordsAt < WORDS_MS) return;
    this.#wordsAt = nowMs;
    this.#say();
  }

  async #load(data, kind, row) {
    const allowed = !row.denied.has(kind);
    const history = allowed ? await this.history(`${kind}:${row.symbol}`).catch((fault) => this.#unread(kind, row, fault)) : [];
    data.loaded(kind, history, kind === "bars" ? row.minutes : []);
    if (data === this.#data) this.#dirty = true;
  }

  #unread(kind, { symbol }, fault) {
    this.onFault(`The history of ${kind}:${symbol} could not be read: ${fault.message}. Its chart begins now`);
    return [];
  }

  get #span() {
    return this.#spans[this.#mode];
  }

  get #newestMs() {
    if (this.#mode !== "tick") return (this.#items.at(-1)?.ms ?? 0) + LENGTH_MS[this.#mode];
    return Math.max(...["trades", "quotes"].map((kind) => this.#data.series(kind).newest?.ms ?? 0));
  }

  #look(mode) {
    this.#mode = mode;
    flag(this.#cell.chart, "mode", mode);
    this.#aim(null);
    this.#wordsAt = 0;
  }

  #resize({ width, height }) {
    if (width > 0) this.#plot.resize(width, height);
    this.#dirty = true;
  }

  #zoom(factor, share) {
    this.#span.zoom(factor, share, this.#newestMs);
    this.#dirty = true;
  }

  #pan(share) {
    const oldest = this.#items[0]?.ms ?? 0;
    this.#span.pan(share * this.#span.lengthMs, oldest, this.#newestMs);
    this.#dirty = true;
  }

  #follow() {
    this.#span.follow();
    this.#aim(null);
  }

  #point(share) {
    if (share === null || this.#items.length === 0) return this.#aim(null);
    const { fromMs, toMs } = this.#span.shown(this.#newestMs);
    const wide = this.#plot.width / this.#plot.inner;
    const ms = fromMs + share * wide * (toMs - fromMs) - LENGTH_MS[this.#mode] / 2;
    return this.#aim(this.#items[nearest(this.#items, ms)].ms);
  }

  #step(by) {
    const { length } = this.#items;
    if (length === 0) return;
    const at = this.#cross === null ? length - 1 : nearest(this.#items, this.#cross) + by;
    const { ms } = this.#items[Math.max(0, Math.min(length - 1, at))];
    const { fromMs, toMs } = this.#span.shown(this.#newestMs);
    // what is pointed at by keys must be seen
    if (ms < fromMs) this.#pan((fromMs - ms) / this.#span.lengthMs + 0.1);
    if (ms + LENGTH_MS[this.#mode] > toMs) this.#pan((toMs - ms) / this.#span.lengthMs - 0.1);
    this.#aim(ms);
  }

  #aim(ms) {
    this.#cross = ms;
    this.#dirty = true;
  }

  #draw() {
    const mode = this.#mode;
    const data = this.#data;
    this.#items = mode === "tick" ? data.series("trades").entries : data.candles(mode);
    const { fromMs, toMs } = this.#span.shown(this.#newestMs);
    const seen = this.#seen(fromMs - LENGTH_MS[mode], toMs);
    const quotes = mode === "tick" ? data.between("quotes", fromMs, toMs) : [];
    this.#waiting(seen.length + quotes.length === 0);
    const frame = this.#plot.begin({ fromMs, toMs, ...range(mode, seen, quotes), digits: this.#row.digits });
    this.#plot.grid(frame);
    this.#plot.within(frame, () => {
      this.#plot.holes(frame, data.holes(mode));
      if (mode === "tick") this.#plot.band(frame, quotes, data.series("quotes").holes);
      if (mode === "tick") this.#plot.trades(frame, seen);
      else this.#plot.candles(frame, seen, LENGTH_MS[mode]);
    });
    if (seen.length + quotes.length > 0) this.#plot.last(frame, this.#row.price, this.#row.direction >= 0);
    this.#pointed(frame);
    flag(this.#cell.now, "idle", this.#span.follows ? "yes" : "no");
  }

  #seen(fromMs, toMs) {
    return this.#items.slice(indexAt(this.#items, fromMs), indexAt(this.#items, toMs));
  }

  #pointed(frame) {
    const { plot, readout } = this.#cell;
    const last = this.#items.length - 1;
    const at = this.#cross === null ? last : nearest(this.#items, this.#cross);
    const item = this.#items[at];
    put(readout, item === undefined ? "" : this.#words(item));
    told(plot, "aria-valuemax", String(Math.max(0, last)));
    told(plot, "aria-valuenow", String(Math.max(0, at)));
    // Of what moves by itself a screen reader would not stop speaking.
    told(plot, "aria-valuetext", this.#cross === null ? "the newest; arrows step through" : this.#words(item));
    if (this.#cross !== null) this.#plot.cross(frame, item.ms + LENGTH_MS[this.#mode] / 2, item.c ?? item.message.p);
  }

  #words(item) {
    return this.#mode === "tick" ? tradeWords(item, this.#row.digits) : candleWords(item, this.#row.digits);
  }

  #waiting(empty) {
    const { vacant } = this.#cell;
    vacant.hidden = !empty;
    if (empty) put(vacant, this.#data.loading ? "Reading the history …" : `Nothing of ${this.symbol} yet: its first comes here.`);
  }

  #head() {
    const { chartPrice, chartChange, chartBid, chartAsk } = this.#cell;
    const row = this.#row;
    if (this.#headed === row.version) return;
    this.#headed = row.version;
    put(chartPrice, format.price(row.price, row.digits));
    flag(chartPrice, "direction", row.direction > 0 ? "up" : row.direction < 0 ? "down" : "");
    put(chartChange, row.change === null ? "–" : `${format.change(row.change, row.digits)} (${format.percent(row.change / row.opened)})`);
    flag(chartChange, "direction", row.change > 0 ? "up" : row.change < 0 ? "down" : "");
    put(chartBid, format.price(row.quote?.bp || null, row.digits));
    put(chartAsk, format.price(row.quote?.ap || null, row.digits));
  }

  #say() {
    const missing = this.#data.missing(this.#mode);
    const items = this.#mode === "tick" ? this.#items.map(({ ms, message: { p, s } }) => ({ ms, h: p, l: p, v: s })) : this.#items;
    put(this.#cell.chartSummary, summaryWords({ symbol: this.symbol, mode: this.#mode, row: this.#row, items, missing }));
    put(this.#cell.missing, missingWords(missing));
    flag(this.#cell.missing, "tone", missing.count === 0 && missing.certain ? "" : "warn");
  }
}

function told(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Lowest and highest of what is seen, with air around. */
function range(mode, seen, quotes) {
  let low = Infinity;
  let high = -Infinity;
  const reach = (from, to) => {
    low = Math.min(low, from);
    high = Math.max(high, to);
  };
  for (const item of seen) {
    if (mode === "tick") reach(item.message.p, item.message.p);
    else reach(item.l, item.h);
  }
  for (const { message: { bp, ap } } of quotes) if (bp && ap) reach(bp, ap);
  const [from, to] = low <= high ? padded(low, high) : [0, 1];
  return { low: from, high: to };
}
