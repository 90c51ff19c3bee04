// The table of symbols: one row of elements per symbol, made once, of which only changed cells are touched.

import { cells, draw, flag, put } from "./cell.js";
import * as format from "./format.js";
import { HOPS, SPAN_MS } from "./state.js";
import { drawTrend } from "./trend.js";

const GAP_SHOWN_MS = 15_000;

class RowView {
  #drawn = -1;
  #moves = 0;
  #digits = 2;

  constructor(template, symbol, onRemove) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.symbol = symbol;
    this.cell = cells(this.element);
    put(this.cell.symbol, symbol);
    this.cell.remove.setAttribute("aria-label", `Remove ${symbol}`);
    this.cell.remove.addEventListener("click", () => onRemove(symbol));
    this.cell.last.addEventListener("animationend", () => delete this.cell.last.dataset.flash);
  }

  /** Prices: at every frame, if a message came. */
  prices(row) {
    if (this.#drawn === row.version) return;
    this.#drawn = row.version;
    this.#widen(row);
    const { cell } = this;
    const digits = this.#digits;
    put(cell.price, format.price(row.price, digits));
    if (this.#moves !== row.moves) {
      this.#moves = row.moves;
      flag(cell.last, "direction", row.direction > 0 ? "up" : "down");
      // Two names for one animation: a change of name is what starts it again.
      flag(cell.last, "flash", row.moves % 2 ? "odd" : "even");
    }
    put(cell.traded, row.trade ? format.size(row.trade.s) : "");
    const side = { B: "buy", S: "sell" }[row.trade?.tks] ?? "";
    put(cell.side, side);
    flag(cell.side, "side", side);
    this.#quote(row.quote, digits);
    this.#bar(row.bar, digits);
    flag(this.element, "status", row.status);
  }

  /** What changes with time alone: a few times a second. `scaleUs` is the delay that fills a bar. */
  measures(row, nowMs, scaleUs) {
    const { cell } = this;
    put(cell.trades, format.rate(row.trades.perSecond(nowMs)));
    put(cell.quotes, format.rate(row.quotes.perSecond(nowMs)));
    put(cell.age, row.heardAt === null ? "waiting" : format.age(nowMs - row.heardAt));
    const gap = nowMs - row.gapAt < GAP_SHOWN_MS;
    put(cell.badge, gap ? "gap" : row.status === "live" ? "" : row.status);
    flag(this.element, "gap", gap ? "yes" : "no");
    const total = row.delay.quantiles(nowMs, SPAN_MS);
    put(cell.p50, total ? format.delay(total.p50) : "–");
    put(cell.p99, total ? format.delay(total.p99) : "");
    flag(cell.bar, "empty", total ? "no" : "yes");
    draw(cell.bar, "--p99", share(total?.p99 ?? 0, scaleUs));
    // The delay shown starts at publishing, so the hop before it has no part in the bar.
    for (let i = 1; i < HOPS.length; i += 1) {
      draw(cell[HOPS[i]], "--width", share(row.hops[i].quantiles(nowMs, SPAN_MS)?.p50 ?? 0, scaleUs));
    }
    drawTrend(cell.trend, row.trend, Math.floor(nowMs / 500));
  }

  #quote(quote, digits) {
    const { cell } = this;
    // A side without an order has price 0: that is not a price.
    const bid = quote?.bp || null;
    const ask = quote?.ap || null;
    put(cell.bid, format.price(bid, digits));
    put(cell.bidSize, bid === null ? "" : format.size(quote.bs));
    put(cell.ask, format.price(ask, digits));
    put(cell.askSize, ask === null ? "" : format.size(quote.as));
    const both = bid !== null && ask !== null;
    put(cell.spread, both ? format.price(ask - bid, digits) : "–");
    put(cell.points, both ? `${(((ask - bid) / ((ask + bid) / 2)) * 10_000).toFixed(1)} bp` : "");
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

  /** More decimals are kept once seen: a column of prices that changes its width can't be read. */
  #widen({ price, quote }) {
    for (const value of [price, quote?.bp, quote?.ap]) {
      if (value) this.#digits = Math.max(this.#digits, Math.min(8, format.decimals(value)));
    }
  }
}

function share(part, whole) {
  return `${Math.max(0, Math.min(100, (part / whole) * 100)).toFixed(1)}%`;
}

export class Table {
  #views = new Map();

  constructor({ body, template, empty, onRemove }) {
    Object.assign(this, { body, template, empty, onRemove });
  }

  show(symbols) {
    for (const [symbol, view] of this.#views) {
      if (symbols.includes(symbol)) continue;
      view.element.remove();
      this.#views.delete(symbol);
    }
    for (const symbol of symbols) {
      if (this.#views.has(symbol)) continue;
      const view = new RowView(this.template, symbol, this.onRemove);
      this.#views.set(symbol, view);
      this.body.append(view.element);
    }
    this.empty.hidden = symbols.length > 0;
  }

  prices(board) {
    for (const [symbol, view] of this.#views) view.prices(board.rows.get(symbol));
  }

  measures(board, nowMs) {
    const medians = [...board.rows.values()].map((row) => row.delay.quantiles(nowMs, SPAN_MS)?.p50 ?? 0);
    const scaleUs = 2 * Math.max(500, ...medians);
    for (const [symbol, view] of this.#views) view.measures(board.rows.get(symbol), nowMs, scaleUs);
  }

  clear() {
    for (const view of this.#views.values()) view.element.remove();
    this.#views.clear();
  }
}
