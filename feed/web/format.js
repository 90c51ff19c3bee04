// Numbers as a reader of prices wants them: as many decimals as the symbol has, always the same many.

const formats = new Map();
const DASH = "–";

function grouped(value, digits) {
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format.format(value);
}

/** Decimals that a number is written with, at most 8: 0.00001 is written 1e-5, hence not its own text. */
export function decimals(value) {
  const text = value.toFixed(8);
  let end = text.length;
  while (text[end - 1] === "0") end -= 1;
  return Math.max(0, end - text.indexOf(".") - 1);
}

export function price(value, digits) {
  return value === null || value === undefined ? DASH : grouped(value, digits);
}

export function size(value) {
  if (value === null || value === undefined) return "";
  return grouped(value, Math.min(decimals(value), value >= 100 ? 2 : 6));
}

export function rate(value) {
  return value < 10 && value > 0 ? value.toFixed(1) : grouped(value, 0);
}

/** A delay in microseconds, which may be negative: clocks differ. */
export function delay(micros) {
  const ms = micros / 1000;
  const much = Math.abs(ms);
  if (much >= 60_000) return `${grouped(ms / 60_000, 1)} min`;
  if (much >= 1000) return `${(ms / 1000).toFixed(much >= 10_000 ? 0 : 1)} s`;
  return `${ms.toFixed(much >= 100 ? 0 : much >= 10 ? 1 : 2)} ms`;
}

export function age(ms) {
  if (ms < 950) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  if (ms < 3_570_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 86_400_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

export function clock(ms) {
  return new Date(ms).toTimeString().slice(0, 8);
}

/** A signed change in percent: two decimals, and a true minus. */
export function percent(share) {
  const text = Math.abs(share * 100).toFixed(2);
  const sign = Number(text) === 0 ? "" : share > 0 ? "+" : "−";
  return `${sign}${text} %`;
}

/** A signed difference of prices. */
export function change(value, digits) {
  const text = grouped(Math.abs(value), digits);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${text}`;
}

/** "1 stream", "24 streams". */
export function count(number, what) {
  return `${grouped(number, 0)} ${what}${number === 1 ? "" : "s"}`;
}
