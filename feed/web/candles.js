// Bars as candles, and the minute that is still open, from its seconds. Pure.

import { indexAt } from "./series.js";

export const SECOND_MS = 1000;
export const MINUTE_MS = 60_000;

export function candle({ ms, message: { o, h, l, c, v, n } }) {
  return { ms, o, h, l, c, v, n, open: false };
}

/**
 * The minute that no bar was published of yet, from the one-second bars of it; null where there are none. It is `open`:
 * it may change, and what came before this page looked is not in it.
 */
export function openMinute(seconds, minutes) {
  const newest = seconds.at(-1);
  if (newest === undefined) return null;
  const startMs = Math.floor(newest.ms / MINUTE_MS) * MINUTE_MS;
  const published = minutes.at(-1);
  if (published !== undefined && published.ms >= startMs) return null;
  const parts = seconds.slice(indexAt(seconds, startMs)).map(candle);
  const [first] = parts;
  return {
    ms: startMs,
    o: first.o,
    h: Math.max(...parts.map(({ h }) => h)),
    l: Math.min(...parts.map(({ l }) => l)),
    c: parts.at(-1).c,
    v: parts.reduce((sum, { v }) => sum + v, 0),
    n: parts.reduce((sum, { n }) => sum + n, 0),
    open: true,
  };
}
