// The last minute of a symbol's price as a line, in a box of 100 by 32. Pure.

import { TREND_POINTS } from "./row.js";

const WIDTH = 100;
const HEIGHT = 32;
const PAD = 2;
const FEWEST = 20;

/** `edge` and `area` as paths, and whether the price rose; null where there is nothing to draw. */
export function trendLine(trend, nowStep) {
  const points = trend.filter(({ step }) => step > nowStep - TREND_POINTS);
  if (points.length === 0) return null;
  const prices = points.map((point) => point.price);
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low;
  // A line that has just begun is stretched: a minute of emptiness says nothing.
  const length = Math.max(FEWEST, nowStep - points[0].step);
  const x = (step) => (WIDTH - ((nowStep - step) / length) * WIDTH).toFixed(1);
  const y = (price) => (span === 0 ? HEIGHT / 2 : HEIGHT - PAD - ((price - low) / span) * (HEIGHT - 2 * PAD)).toFixed(1);
  const line = points.map(({ step, price }) => `${x(step)},${y(price)}`).join("L");
  // the last price holds until now
  const edge = `M${line}L${WIDTH},${y(prices.at(-1))}`;
  const area = `${edge}V${HEIGHT}H${x(points[0].step)}Z`;
  return { edge, area, rising: prices.at(-1) >= prices[0] };
}
