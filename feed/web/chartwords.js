// A chart in words: what the reader points at, and all of it for who can't see it. Pure.

import * as format from "./format.js";

export const UNIT = Object.freeze({ second: "one-second bar", minute: "minute bar", tick: "trade" });

export function candleWords({ ms, o, h, l, c, v, n, open }, digits) {
  const [first, high, low, last] = [o, h, l, c].map((price) => format.price(price, digits));
  const still = open ? ", still open" : "";
  return `${format.clock(ms)}${still}  O ${first}  H ${high}  L ${low}  C ${last}  V ${format.size(v)}  ${format.count(n, "trade")}`;
}

export function tradeWords({ ms, message: { p, s, tks } }, digits) {
  const side = { B: "buy ", S: "sell " }[tks] ?? "";
  const fraction = String(Math.floor(ms % 1000)).padStart(3, "0");
  return `${format.clock(ms)}.${fraction}  ${side}${format.size(s)} at ${format.price(p, digits)}`;
}

/** `items` are candles, or trades as `{ms, h, l, v}`. */
export function summaryWords({ symbol, mode, row, items, missing }) {
  const price = (value) => format.price(value, row.digits);
  const quote = row.quote ? `, bid ${price(row.quote.bp || null)}, ask ${price(row.quote.ap || null)}` : "";
  const head = `${symbol}: last ${price(row.price)}${quote}.`;
  if (items.length === 0) return `${head} No ${UNIT[mode]} yet.`;
  const low = Math.min(...items.map(({ l }) => l));
  const high = Math.max(...items.map(({ h }) => h));
  const volume = items.reduce((sum, { v }) => sum + v, 0);
  const times = `from ${format.clock(items[0].ms)} to ${format.clock(items.at(-1).ms)}`;
  return `${head} ${format.count(items.length, UNIT[mode])} ${times}: lowest ${price(low)}, highest ${price(high)}, volume ${format.size(volume)}. ${missingWords(missing)}`;
}

export function missingWords({ count, certain }) {
  if (count === 0 && certain) return "Nothing is missing.";
  if (count === 0) return "Some are missing, where it is hatched.";
  return `${certain ? "" : "At least "}${count} ${count === 1 ? "is" : "are"} missing, where it is hatched.`;
}
