// What a lost connection cost, told when it is back: how long it was away, what was resumed, and what is missing. Pure.

import { count } from "./format.js";

// Answers and gaps of all streams come within this time of the connection being live again.
const SETTLES_MS = 3_000;
const NAMED = 3;

export class Comeback {
  #lostAt = null;
  #backAt = null;
  #resumed = 0;
  #missed = new Map();

  /** The connection is gone. One that is lost again before it settled is still the same absence. */
  lost(nowMs) {
    if (this.#lostAt === null || this.#settled(nowMs)) {
      this.#lostAt = nowMs;
      this.#resumed = 0;
      this.#missed.clear();
    }
    this.#backAt = null;
  }

  back(nowMs) {
    if (this.#lostAt !== null) this.#backAt = nowMs;
  }

  resumed(streams) {
    this.#resumed += streams;
  }

  /** `ticks` of a stream will not come, null where nobody knows how many. */
  missed(stream, ticks, nowMs) {
    if (this.#backAt === null || this.#settled(nowMs)) return;
    const before = this.#missed.get(stream) ?? 0;
    this.#missed.set(stream, before === null || ticks === null ? null : before + ticks);
  }

  /** `{tone, text, backAt}` once the connection is back and something is known; else null. */
  said() {
    if (this.#backAt === null || (this.#resumed === 0 && this.#missed.size === 0)) return null;
    const away = `Back after ${((this.#backAt - this.#lostAt) / 1000).toFixed(1)} s`;
    const resumed = this.#resumed > 0 ? `${count(this.#resumed, "stream")} resumed` : "";
    const tone = this.#missed.size > 0 ? "warn" : "good";
    const rest = this.#missed.size > 0 ? this.#loss() : "nothing missed";
    return { tone, text: `${away}: ${[resumed, rest].filter(Boolean).join(", ")}.`, backAt: this.#backAt };
  }

  #loss() {
    const names = [...this.#missed.keys()];
    const counts = [...this.#missed.values()];
    const sum = counts.reduce((total, ticks) => total + (ticks ?? 0), 0);
    const more = names.length > NAMED ? ` and ${count(names.length - NAMED, "other")}` : "";
    const atLeast = counts.includes(null) ? (sum > 0 ? "at least " : "an unknown number of ") : "";
    const ticks = atLeast.startsWith("an") ? "ticks" : count(sum, "tick");
    return `missed ${atLeast}${ticks} of ${names.slice(0, NAMED).join(", ")}${more}`;
  }

  #settled(nowMs) {
    return this.#backAt !== null && nowMs - this.#backAt > SETTLES_MS;
  }
}
