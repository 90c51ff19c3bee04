// One row of the table: elements made once, of which only changed cells are touched.

import { cells, draw, flag, put } from "./cell.js";
import * as format from "./format.js";
import { HOPS, TREND_STEP_MS } from "./row.js";
import { trendLine } from "./trend.js";

const GAP_SHOWN_MS = 15_000;
const MEASURES_MS = 250;
// Bright, then pale, then gone. An animation would have the browser style and paint each row in every frame.
const BRIGHT_MS = 140;
const PALE_MS = 420;

export class RowView {
  #drawn = -1;
  #moves = 0;
  #flashedAt = -Infinity;
  #trended = "";
  #measuredAt = -Infinity;

  constructor(template, symbol, { onRemove, onOpen }) {
    this.symbol = symbol;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.symbol = symbol;
    this.cell = cells(this.element);
    put(this.cell.symbol, symbol);
    this.cell.symbol.title = `Chart of ${symbol}`;
    this.cell.symbol.addEventListener("click", () => onOpen(symbol));
    this.cell.remove.setAttribute("aria-label", `Remove ${symbol}`);
    this.cell.remove.addEventListener("click", () => onRemove(symbol));
  }

  /** Draws what changed since the last time; rates, delays and age a few times a second. True if there was anything. */
  update(row, nowMs, scaleUs) {
    const changed = this.#drawn !== row.version;
    if (changed) this.#prices(row, nowMs);
    this.#flash(nowMs - this.#flashedAt);
    if (nowMs - this.#measuredAt < MEASURES_MS) return changed;
    this.#measuredAt = nowMs;
    row.measure(nowMs);
    this.#measures(row, nowMs, scaleUs);
    this.#trend(row, nowMs);
    return true;
  }

  #flash(sinceMs) {
    flag(this.cell.last, "flash", sinceMs < BRIGHT_MS ? "bright" : sinceMs < PALE_MS ? "pale" : "");
  }

  #prices(row, nowMs) {
    this.#drawn = row.version;
    const { cell } = this;
    const { digits } = row;
    put(cell.price, format.price(row.price, digits));
    if (this.#moves !== row.moves) {
      this.#moves = row.moves;
      this.#flashedAt = nowMs;
      flag(cell.last, "direction", row.direction > 0 ? "up" : "down");
    }
    put(cell.traded, row.trade ? format.size(row.trade.s) : "");
    const side = { B: "buy", S: "sell" }[row.trade?.tks] ?? "";
    put(cell.side, side);
    flag(cell.side, "side", side);
    this.#change(row);
    this.#quote(row);
    this.#bar(row.bar, digits);
    flag(this.element, "status", row.status);
  }

  #change({ change, opened, digits }) {
    const { cell } = this;
    put(cell.change, change === null ? "–" : format.percent(change / opened));
    put(cell.moved, change === null ? "" : format.change(change, digits));
    flag(cell.change, "direction", change > 0 ? "up" : change < 0 ? "down" : "");
  }

  #measures(row, nowMs, scaleUs) {
    const { cell } = this;
    const { delay, hops, trades, quotes } = row.measured;
    put(cell.trades, format.rate(trades));
    put(cell.quotes, format.rate(quotes));
    put(cell.age, row.heardAt === null ? "waiting" : format.age(nowMs - row.heardAt));
    const gap = nowMs - row.gapAt < GAP_SHOWN_MS;
    put(cell.badge, gap ? "gap" : row.status === "live" ? "" : row.status);
    flag(this.element, "gap", gap ? "yes" : "no");
    put(cell.p50, delay ? format.delay(delay.p50) : "–");
    put(cell.p99, delay ? format.delay(delay.p99) : "");
    flag(cell.bar, "empty", delay ? "no" : "yes");
    draw(cell.bar, "--p99", share(delay?.p99 ?? 0, scaleUs));
    // The delay shown starts at publishing, so the hop before it has no part in the bar.
    let end = 0;
    for (let i = 1; i < HOPS.length; i += 1) {
      end += Math.max(0, hops[i]);
      draw(cell.bar, `--end${i}`, share(end, scaleUs));
    }
  }

  #trend(row, nowMs) {
    const step = Math.floor(nowMs / TREND_STEP_MS);
    const key = `${step} ${row.trend.at(-1)?.price}`;
    if (key === this.#trended) return;
    this.#trended = key;
    const line = trendLine(row.trend, step);
    const { trend, edge, area } = this.cell;
    flag(trend, "direction", line?.rising ? "up" : "down");
    edge.setAttribute("d", line?.edge ?? "");
    area.setAttribute("d", line?.area ?? "");
  }

  #quote({ quote, spread, digits }) {
    const { cell } = this;
    const bid = quote?.bp || null;
    const ask = quote?.ap || null;
    put(cell.bid, format.price(bid, digits));
    put(cell.bidSize, bid === null ? "" : format.size(quote.bs));
    put(cell.ask, format.price(ask, digits));
    put(cell.askSize, ask === null ? "" : format.size(quote.as));
    put(cell.spread, spread === null ? "–" : format.price(spread, digits));
    put(cell.points, spread === null ? "" : `${((spread / ((ask + bid) / 2)) * 10_000).toFixed(1)} bp`);
  }

  #bar(bar, digits) {
    const { cell } = this;
    flag(cell.ohlc, "empty", bar ? "no" : "yes");
    for (const key of ["o", "h", "l", "c"]) put(cell[key], bar ? format.price(bar[key], digits) : "–");
    if (!bar) return;
    const span = bar.h - bar.l || 1;
    flag(cell.candle, "direction", bar.c >= bar.o ? "up" : "down");
    draw(cell.candle, "--top", share(bar.h - Math.max(bar.o, bar.c), span));
    draw(cell.candle, "--body", share(Math.abs(bar.c - bar.o), span));
    cell.ohlc.title = `Minute from ${format.clock(Date.parse(bar.t))}, volume ${format.size(bar.v)}, ${bar.n} trades`;
  }
}

function share(part, whole) {
  return `${Math.max(0, Math.min(100, (part / whole) * 100)).toFixed(1)}%`;
}
