// The table of symbols: which rows there are, in which order, and how much of them is drawn in one frame.

import { RowView } from "./rowview.js";
import { ordered, pressed } from "./sorting.js";

// Every other frame of a usual screen: nobody reads prices faster, and each frame with a change costs as much again.
const DRAW_EVERY_MS = 30;
// What a frame may take of the page's own work, and how many rows it may change: the browser lays out and paints each.
const BUDGET_MS = 3;
const ROWS_A_FRAME = 5;
const UNSEEN_A_FRAME = 2;
// Out of sight rows are brought up to date too, but in turn: each about once a second.
const ROUND_MS = 1000;
const SORT_EVERY_MS = 1500;
const SCALE_MIN_US = 1000;
const NEAR_PX = 120;

export class Table {
  #views = new Map();
  #unmade = [];
  #seen = [];
  #all = [];
  #turn = 0;
  #round = 0;
  #framedAt = 0;
  #scaleUs = SCALE_MIN_US;
  #sort = null;
  #sortedAt = 0;
  #moved = true;

  constructor({ head, body, template, empty, onRemove, onOpen }) {
    Object.assign(this, { head, body, template, empty, onRemove, onOpen });
    head.addEventListener("click", ({ target }) => this.#pressed(target.closest("[data-sort]")?.dataset.sort));
    addEventListener("resize", () => (this.#moved = true), { passive: true });
    addEventListener("scroll", () => (this.#moved = true), { passive: true });
  }

  /** The rows that there are from now on; their elements are made in the next frames. */
  show(symbols) {
    const wanted = new Set(symbols);
    for (const [symbol, view] of this.#views) if (!wanted.has(symbol)) this.#drop(symbol, view);
    this.#unmade = symbols.filter((symbol) => !this.#views.has(symbol));
    this.empty.hidden = symbols.length > 0;
    this.#sortedAt = -Infinity;
  }

  /** Draws what is seen and changed, until the frame's share of time is used up; the rest is first in the next one. */
  frame(board, nowMs, clock = performance) {
    if (nowMs - this.#framedAt < DRAW_EVERY_MS && nowMs >= this.#framedAt) return;
    const deadline = clock.now() + BUDGET_MS;
    this.#make(deadline, clock);
    if (this.#unmade.length === 0 && this.#mayArrange(nowMs)) this.#arrange(board, nowMs);
    this.#sight();
    this.#turn = this.#draw(board, nowMs, this.#seen, this.#seen.length, this.#turn, ROWS_A_FRAME, deadline, clock);
    const due = Math.ceil((this.#all.length * Math.min(nowMs - this.#framedAt, ROUND_MS)) / ROUND_MS);
    this.#round = this.#draw(board, nowMs, this.#all, due, this.#round, UNSEEN_A_FRAME, deadline, clock);
    this.#framedAt = nowMs;
  }

  /** A few times a second: what fills a bar of delays is twice the longest median; and rows may have been pushed away. */
  scale(board) {
    this.#moved = true;
    let most = SCALE_MIN_US / 2;
    for (const row of board.rows.values()) most = Math.max(most, row.measured.delay?.p50 ?? 0);
    this.#scaleUs = 2 * most;
  }

  clear() {
    for (const [symbol, view] of this.#views) this.#drop(symbol, view);
    this.#unmade = [];
  }

  /** From `turn` on, at most `most` views in turn, of which `changes` may have something new; returns where to go on. */
  #draw(board, nowMs, views, most, turn, changes, deadline, clock) {
    let at = turn;
    let changed = 0;
    for (let i = 0; i < most && changed < changes && clock.now() < deadline; i += 1) {
      at = (at + 1) % views.length;
      const row = board.rows.get(views[at].symbol);
      if (row && views[at].update(row, nowMs, this.#scaleUs)) changed += 1;
    }
    return at;
  }

  #make(deadline, clock) {
    if (this.#unmade.length === 0) return;
    const made = document.createDocumentFragment();
    do {
      const symbol = this.#unmade.shift();
      const view = new RowView(this.template, symbol, this);
      this.#views.set(symbol, view);
      made.append(view.element);
    } while (this.#unmade.length > 0 && clock.now() < deadline);
    this.body.append(made);
    this.#settle();
  }

  #drop(symbol, view) {
    view.element.remove();
    this.#views.delete(symbol);
    this.#settle();
  }

  /** Rows came, went, or changed places. */
  #settle() {
    this.#all = [...this.#views.values()];
    this.#seen = [];
    this.#moved = true;
  }

  /** Which rows are in sight, after the page moved: all are of one height, so that one box tells of all. */
  #sight() {
    if (!this.#moved) return;
    this.#moved = false;
    const { top, height, width } = this.body.getBoundingClientRect();
    const rows = this.body.children;
    if (width === 0 || rows.length === 0) return;
    const abreast = Math.max(1, Math.round(width / rows[0].getBoundingClientRect().width));
    const each = height / Math.ceil(rows.length / abreast);
    const first = Math.max(0, Math.floor((-NEAR_PX - top) / each)) * abreast;
    const last = Math.ceil((innerHeight + NEAR_PX - top) / each) * abreast;
    this.#seen = [...rows].slice(first, Math.max(first, last)).map((row) => this.#views.get(row.dataset.symbol));
  }

  #pressed(column) {
    if (column === undefined) return;
    this.#sort = pressed(this.#sort, column);
    for (const button of this.head.querySelectorAll("[data-sort]")) {
      const mine = button.dataset.sort === this.#sort?.column;
      const heading = button.closest("th");
      if (mine) heading.setAttribute("aria-sort", this.#sort.direction);
      else heading.removeAttribute("aria-sort");
    }
    this.#sortedAt = -Infinity;
  }

  /** Columns that move are sorted again now and then, but not under the reader's pointer or focus. */
  #mayArrange(nowMs) {
    if (this.#sortedAt === -Infinity) return true;
    return this.#sort !== null && nowMs - this.#sortedAt > SORT_EVERY_MS && !this.body.matches(":hover, :focus-within");
  }

  #arrange(board, nowMs) {
    this.#sortedAt = nowMs;
    const order = ordered(board.rows.values(), this.#sort).map((symbol) => this.#views.get(symbol)?.element).filter(Boolean);
    let next = null;
    for (const element of order.reverse()) {
      if (element.nextElementSibling !== next) this.body.insertBefore(element, next);
      next = element;
    }
    this.#moved = true;
  }
}
