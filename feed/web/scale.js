// Round numbers and round times for the axes of a chart. Pure.

const TIMES_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400].map((s) => s * 1000);

/** The step of 1, 2 or 5 times a power of ten by which a span is cut into about `count` parts. */
export function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((each) => each * power >= rough * (1 - 1e-9)) ?? 10);
}

/** Multiples of `step` within a range. Counted in whole steps: adding a fraction again and again drifts. */
export function multiples(low, high, step) {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
}

export function timeStep(spanMs, count) {
  return TIMES_MS.find((each) => each * count >= spanMs) ?? TIMES_MS.at(-1);
}

/** `[low, high]` with air around; prices that are all one still get a range. */
export function padded(low, high) {
  const span = high - low || Math.abs(high) * 0.001 || 1;
  return [low - span * 0.08, high + span * 0.08];
}
