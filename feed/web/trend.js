// The last minute of a symbol's price as a line, drawn about twice a second.

import { ink } from "./ink.js";
import { TREND_POINTS } from "./row.js";

const FEWEST = 20;

/** `size` is the canvas' in CSS pixels; true if it was drawn. */
export function drawTrend(canvas, trend, nowStep, size) {
  if (!size?.width) return false;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(size.width * ratio);
  const height = Math.round(size.height * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  const points = trend.filter(({ step }) => step > nowStep - TREND_POINTS);
  if (points.length === 0) return true;
  const prices = points.map((point) => point.price);
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low;
  const pad = 2 * ratio;
  // A line that has just begun is stretched: a minute of emptiness says nothing.
  const length = Math.max(FEWEST, nowStep - points[0].step);
  const x = (step) => width - pad - ((nowStep - step) / length) * (width - 2 * pad);
  const y = (value) => (span === 0 ? height / 2 : height - pad - ((value - low) / span) * (height - 2 * pad));
  const color = prices.at(-1) >= prices[0] ? ink().up : ink().down;
  line(pen, points, x, y, { color, width: 1.5 * ratio, end: x(nowStep) });
  pen.lineTo(x(nowStep), height);
  pen.lineTo(x(points[0].step), height);
  pen.globalAlpha = 0.1;
  pen.fillStyle = color;
  pen.fill();
  pen.globalAlpha = 1;
  return true;
}

function line(pen, points, x, y, { color, width, end }) {
  pen.beginPath();
  pen.moveTo(x(points[0].step), y(points[0].price));
  for (const point of points) pen.lineTo(x(point.step), y(point.price));
  pen.lineTo(end, y(points.at(-1).price));
  pen.lineJoin = "round";
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}
