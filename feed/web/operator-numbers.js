// What the service's processes counted, look by look: how fast, how much of late, and how delays spread.

export const KEPT_S = 60;
// Looks that lie further apart were not of one visit: what rose in between is not of the last minute.
const APART_S = 5;

/** The value below which `share` of what was counted lies, as Prometheus' histogram_quantile has it: `buckets` are
 * pairs of upper bound and cumulated count, rising, the last bound infinite. Null where nothing was counted. */
export function quantile(share, buckets) {
  const last = buckets.length - 1;
  if (last < 1 || buckets[last][0] !== Infinity) return null;
  const all = buckets[last][1];
  if (!(all > 0)) return null;
  const rank = share * all;
  let at = buckets.findIndex(([, count]) => count >= rank);
  if (at < 0) at = last;
  if (at === last) return buckets[last - 1][0];
  const [end, counted] = buckets[at];
  if (at === 0 && end <= 0) return end;
  const [start, before] = at === 0 ? [0, 0] : buckets[at - 1];
  return start + (end - start) * ((rank - before) / (counted - before));
}

/** The last minute of what `/operator/metrics` told, of the samples named. */
export class Looks {
  #names;
  #levels = new Map(); // sample's name -> [{ labels, value }], of the last look
  #rises = []; // of each look: { t, span, by: name -> [{ labels, by }] }
  #before = null;

  constructor(names) {
    this.#names = new Set(names);
  }

  /** Takes an answer. What is not comparable with the one before, as other processes are in it, counts from here. */
  take({ t: asked, processes, families }) {
    // a process answers once a second, and what it answered last is a part of a second old
    const t = asked - sum(processes.map(({ age_s }) => age_s)) / Math.max(1, processes.length);
    // one that has no numbers to tell this time would have risen by all it ever counted the next
    const who = processes.map(({ name, numbers }) => `${name}${numbers === false ? " without" : ""}`).sort().join();
    const look = { t, who, values: new Map() };
    this.#levels = new Map();
    for (const [, kind, samples] of families) {
      for (const [name, labels, value] of samples) {
        if (!this.#names.has(name)) continue;
        entry(this.#levels, name, () => []).push({ labels, value });
        if (kind !== "gauge") look.values.set(name + JSON.stringify(labels), { name, labels, value });
      }
    }
    const before = this.#before;
    this.#before = look;
    if (before === null || t === before.t) return;
    const same = t > before.t && t - before.t <= APART_S && look.who === before.who;
    if (same) this.#rises.push({ t, span: t - before.t, by: risen(before.values, look.values) });
    this.#rises = this.#rises.filter((rise) => rise.t > t - KEPT_S);
  }

  /** Whether there is something to compare. */
  get ready() {
    return this.#rises.length > 0;
  }

  get t() {
    return this.#before?.t ?? null;
  }

  /** Values of a gauge at the last look, with their labels; none where nobody tells. */
  levels(name, where = any) {
    return (this.#levels.get(name) ?? []).filter(({ labels }) => where(labels));
  }

  /** By how much a counter rose within the last `seconds`, over all its series; null before there are two looks. */
  rise(name, where = any, seconds = KEPT_S) {
    const rises = this.#late(seconds);
    return rises.length === 0 ? null : sum(this.#of(rises, name, where).map(({ by }) => by));
  }

  /** The same by the value of a label, of the values that rose. */
  riseBy(name, label, where = any, seconds = KEPT_S) {
    const found = new Map();
    for (const { labels, by } of this.#of(this.#late(seconds), name, where)) {
      if (by > 0) found.set(labels[label], (found.get(labels[label]) ?? 0) + by);
    }
    return found;
  }

  /** By how much it rises a second. */
  rate(name, where = any, seconds = KEPT_S) {
    const rises = this.#late(seconds);
    const by = this.rise(name, where, seconds);
    return by === null ? null : by / sum(rises.map(({ span }) => span));
  }

  /** A histogram's buckets, for `quantile`: what was counted within the last `seconds`. */
  buckets(name, where = any, seconds = KEPT_S) {
    return cumulated(this.#of(this.#late(seconds), `${name}_bucket`, where));
  }

  /** Of each look its time, the seconds since the one before, and what a histogram counted meanwhile: pairs of upper
   * bound and count. */
  spread(name, where = any) {
    return this.#rises.map((rise) => {
      const counts = each(cumulated(this.#of([rise], `${name}_bucket`, where)));
      return { t: rise.t, span: rise.span, counts };
    });
  }

  #late(seconds) {
    return this.#rises.filter((rise) => rise.t > this.t - seconds);
  }

  #of(rises, name, where) {
    return rises.flatMap((rise) => rise.by.get(name) ?? []).filter(({ labels }) => where(labels));
  }
}

function risen(before, now) {
  const by = new Map();
  for (const [key, { name, labels, value }] of now) {
    // what falls lost a part of itself that had counted before: what that had counted since nobody knows
    const rose = value - (before.get(key)?.value ?? 0);
    entry(by, name, () => []).push({ labels, by: Math.max(0, rose) });
  }
  return by;
}

function cumulated(rises) {
  const counts = new Map();
  for (const { labels, by } of rises) {
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + by);
  }
  return [...counts].sort(([one], [other]) => one - other);
}

function each(buckets) {
  return buckets.map(([bound, count], at) => [bound, at === 0 ? count : count - buckets[at - 1][1]]);
}

function entry(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

function any() {
  return true;
}

export function sum(values) {
  return values.reduce((all, value) => all + value, 0);
}
