// The stretch of time that a chart shows: the newest, or one that the reader moved to. Pure.

export class Span {
  /** What is shown at first, at least and at most, in milliseconds. */
  constructor({ firstMs, leastMs, mostMs }) {
    Object.assign(this, { firstMs, leastMs, mostMs, lengthMs: firstMs, heldMs: null });
  }

  /** Whether the chart moves along with what comes. */
  get follows() {
    return this.heldMs === null;
  }

  /** From and to; `newestMs` is where the data ends, after which a little air is left. */
  shown(newestMs) {
    const toMs = this.heldMs ?? newestMs + this.lengthMs * 0.03;
    return { fromMs: toMs - this.lengthMs, toMs };
  }

  /** `factor` below 1 shows less. What lies at `share` of the width (0 left, 1 right) stays where it is. */
  zoom(factor, share, newestMs) {
    const { fromMs } = this.shown(newestMs);
    const anchor = fromMs + share * this.lengthMs;
    this.lengthMs = Math.max(this.leastMs, Math.min(this.mostMs, this.lengthMs * factor));
    if (!this.follows) this.heldMs = anchor + (1 - share) * this.lengthMs;
  }

  /** Back in time by a positive number; never before `oldestMs`, and at the newest it follows again. */
  pan(ms, oldestMs, newestMs) {
    const toMs = this.shown(newestMs).toMs - ms;
    this.heldMs = toMs >= newestMs ? null : Math.max(toMs, oldestMs + this.lengthMs / 4);
  }

  follow() {
    this.heldMs = null;
  }
}
