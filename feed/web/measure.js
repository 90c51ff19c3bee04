// Rates, percentiles and clocks: what a number on the page is computed from. Pure: the time is an argument.

const BUCKET_MS = 250;
const BUCKETS = 12;

/** Events per second over the last three seconds. Before that much was seen, over what was. */
export class Rate {
  #counts = new Float64Array(BUCKETS);
  #bucket = -1;
  #first = -1;

  add(count, nowMs) {
    this.#advance(nowMs);
    this.#counts[this.#bucket % BUCKETS] += count;
  }

  perSecond(nowMs) {
    if (this.#bucket < 0) return 0;
    this.#advance(nowMs);
    const seen = Math.min(BUCKETS, this.#bucket - this.#first + 1);
    // The youngest bucket is still filling: counting it as whole would show a rate that breathes.
    const spanMs = (seen - 1) * BUCKET_MS + Math.max(1, nowMs - this.#bucket * BUCKET_MS);
    let sum = 0;
    for (const count of this.#counts) sum += count;
    return (sum * 1000) / Math.max(spanMs, BUCKET_MS);
  }

  #advance(nowMs) {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (this.#bucket < 0) {
      this.#bucket = bucket;
      this.#first = bucket;
    }
    const fresh = Math.min(bucket - this.#bucket, BUCKETS);
    for (let i = 0; i < fresh; i += 1) this.#counts[(bucket - i) % BUCKETS] = 0;
    if (bucket > this.#bucket) this.#bucket = bucket;
  }
}

/** The newest `capacity` measurements, of which quantiles over the last few seconds are asked for. */
export class Samples {
  #values;
  #times;
  #scratch;
  #next = 0;
  #size = 0;

  constructor(capacity) {
    this.#values = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#scratch = new Float64Array(capacity);
  }

  add(value, nowMs) {
    this.#values[this.#next] = value;
    this.#times[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#values.length;
    if (this.#size < this.#values.length) this.#size += 1;
  }

  /** Median and 99th percentile of what came in the last `spanMs`, or null if nothing did. */
  quantiles(nowMs, spanMs) {
    let count = 0;
    for (let i = 0; i < this.#size; i += 1) {
      if (nowMs - this.#times[i] <= spanMs) this.#scratch[count++] = this.#values[i];
    }
    if (count === 0) return null;
    const sorted = this.#scratch.subarray(0, count).sort();
    const at = (share) => sorted[Math.min(count - 1, Math.ceil(share * count) - 1)];
    return { p50: at(0.5), p99: at(0.99), count };
  }
}

/** The wall clock in microseconds, finer than Date.now(): that one drops the fraction of a millisecond. */
export class Clock {
  #anchorMs = -Infinity;

  micros(wallMs, monotonicMs) {
    const anchor = wallMs - monotonicMs;
    // Of many readings the largest has lost least to rounding; a larger step back means that the clock was set.
    if (anchor > this.#anchorMs || this.#anchorMs - anchor > 1.5) this.#anchorMs = anchor;
    return (this.#anchorMs + monotonicMs) * 1000;
  }
}

/** How far the gateway's clock is from ours, by the quickest of the last few round trips. */
export class Skew {
  #trips = [];

  add(sentUs, serverUs, receivedUs) {
    this.#trips.push({ rttUs: receivedUs - sentUs, offsetUs: serverUs - (sentUs + receivedUs) / 2 });
    if (this.#trips.length > 8) this.#trips.shift();
  }

  get rttUs() {
    return this.#best()?.rttUs ?? null;
  }

  /** What to add to our clock. Zero unless the round trip proves the clocks apart: an estimate is worse than none. */
  get correctionUs() {
    const best = this.#best();
    return best && Math.abs(best.offsetUs) > best.rttUs / 2 + 1000 ? best.offsetUs : 0;
  }

  #best() {
    return this.#trips.reduce((best, trip) => (best === null || trip.rttUs < best.rttUs ? trip : best), null);
  }
}

/** RFC 3339 UTC with up to nine digits of fraction, as microseconds since the epoch. */
export function parseMicros(text) {
  const [whole, fraction = ""] = text.replace("Z", "").split(".");
  return Date.parse(`${whole}Z`) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}
