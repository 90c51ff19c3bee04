// One stream's entries in the order of their numbers, and the stretches where some are missing: nothing is smoothed over. Pure.

import { parseMicros } from "./measure.js";

export class Series {
  entries = [];
  holes = [];
  #last = null;
  #epoch = null;
  #pending = null;

  /** `lengthMs` is how long an entry lasts: a bar's interval, 0 for a tick. */
  constructor({ capacity, lengthMs = 0 }) {
    Object.assign(this, { capacity, lengthMs });
  }

  get newest() {
    return this.entries.at(-1) ?? null;
  }

  /** A message of this stream: data, `gap` or `epoch`. True if it changed anything; what came already does not. */
  take(message) {
    if (message.T === "gap") return this.#gap(message);
    if (message.T === "epoch") {
      this.#epoch = message.epoch;
      return false;
    }
    return this.#entry(message);
  }

  /** How many entries are known to be missing, and whether more may be. */
  missing() {
    const counts = this.holes.map(({ missing }) => missing);
    return { count: counts.reduce((sum, each) => sum + (each ?? 0), 0), certain: !counts.includes(null) };
  }

  #entry(message) {
    const { q, m, epoch } = message;
    if (this.#last !== null && q <= this.#last) return false;
    const skipped = this.#last === null ? 0 : (m?.q0 ?? q) - this.#last - 1;
    const ms = parseMicros(message.t) / 1000;
    if (skipped > 0 && this.#pending === null) this.#open(skipped, "not seen by this page");
    if (this.#pending !== null) this.#close(ms);
    this.#last = q;
    this.#epoch = epoch ?? this.#epoch;
    this.entries.push({ ms, message });
    this.#trim();
    return true;
  }

  #gap({ from, to, next, cause, ids, q }) {
    const after = next ? next.seq - 1 : (q ?? to ?? this.#last ?? 0);
    const sameEpoch = next === undefined || this.#epoch === null || next.epoch === this.#epoch;
    if (sameEpoch && this.#last !== null && after <= this.#last) return false;
    const missing = ids ? ids[1] - ids[0] + 1 : q !== undefined || to === null || to === undefined ? null : to - from + 1;
    this.#open(missing, cause);
    // In another epoch numbers may begin further back: what comes next is new nevertheless.
    this.#last = after;
    this.#epoch = next?.epoch ?? this.#epoch;
    return true;
  }

  /** A stretch begins where the last entry ends. Two that follow each other are one. */
  #open(missing, cause) {
    if (this.newest === null) return;
    if (this.#pending === null) {
      this.#pending = { fromMs: this.newest.ms + this.lengthMs, toMs: null, missing, cause };
      this.holes.push(this.#pending);
    } else {
      const { missing: before } = this.#pending;
      this.#pending.missing = before === null || missing === null ? null : before + missing;
    }
  }

  #close(ms) {
    this.#pending.toMs = Math.max(ms, this.#pending.fromMs);
    this.#pending = null;
  }

  #trim() {
    if (this.entries.length <= this.capacity) return;
    // In slices: moving a few thousand entries for each new one would cost more than drawing them.
    this.entries.splice(0, Math.ceil(this.capacity / 8));
    const [{ ms }] = this.entries;
    this.holes = this.holes.filter(({ toMs }) => toMs === null || toMs > ms);
  }
}

/** Index of the first entry at or after a time; the number of entries where there is none. Entries ascend in time. */
export function indexAt(entries, ms) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].ms < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the entry that is nearest to a time, -1 where there is none. */
export function nearest(entries, ms) {
  const after = indexAt(entries, ms);
  if (after === entries.length) return entries.length - 1;
  if (after === 0) return 0;
  return ms - entries[after - 1].ms <= entries[after].ms - ms ? after - 1 : after;
}
