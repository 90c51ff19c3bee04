// Candles, ticks, volume and what is missing, drawn on a canvas in the style sheet's colours.

import * as format from "./format.js";
import { ink } from "./ink.js";
import { multiples, niceStep, timeStep } from "./scale.js";

const FONT = "11px system-ui, -apple-system, Roboto, sans-serif";
const AXIS_HEIGHT = 22;
const VOLUME_SHARE = 0.18;
const LABEL_EVERY = 84;

/** Where things lie: `left..right` by `top..bottom` for prices, volume below, labels to the right and at the foot. */
export function layout(width, height, labelWidth) {
  const right = width - labelWidth;
  const foot = height - AXIS_HEIGHT;
  const bottom = Math.round(foot * (1 - VOLUME_SHARE) - 8);
  return { left: 0, right, top: 8, bottom, foot, width, height };
}

export class Plot {
  width = 0;
  height = 0;
  /** The width without the labels. */
  inner = 0;
  #pen;
  #ratio = 1;

  constructor(canvas) {
    this.canvas = canvas;
    this.#pen = canvas.getContext("2d");
  }

  /** Sets the size in CSS pixels. */
  resize(width, height) {
    this.#ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.#ratio);
    this.canvas.height = Math.round(height * this.#ratio);
    Object.assign(this, { width, height });
  }

  labelWidth(text) {
    this.#pen.font = FONT;
    return Math.ceil(this.#pen.measureText(text).width) + 18;
  }

  /** Begins a drawing: `x(ms)`, `y(price)` and the rest are asked for while it goes on. */
  begin({ fromMs, toMs, low, high, digits }) {
    const pen = this.#pen;
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const box = layout(this.width, this.height, this.labelWidth(format.price(high, digits)));
    this.inner = box.right;
    const x = (ms) => box.left + ((ms - fromMs) / (toMs - fromMs)) * (box.right - box.left);
    const y = (price) => box.bottom - ((price - low) / (high - low)) * (box.bottom - box.top);
    return { box, x, y, fromMs, toMs, low, high, digits, ink: ink() };
  }

  grid({ box, x, y, fromMs, toMs, low, high, digits, ink: colors }) {
    const pen = this.#pen;
    pen.font = FONT;
    pen.lineWidth = 1;
    pen.strokeStyle = colors.line;
    pen.fillStyle = colors.soft;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    for (const price of multiples(low, high, niceStep(high - low, (box.bottom - box.top) / 56))) {
      this.#line(box.left, y(price), box.right, y(price));
      pen.fillText(format.price(price, digits), box.right + 9, y(price));
    }
    pen.textAlign = "center";
    for (const ms of multiples(fromMs, toMs, timeStep(toMs - fromMs, (box.right - box.left) / LABEL_EVERY))) {
      this.#line(x(ms), 0, x(ms), box.foot);
      if (x(ms) > 30 && x(ms) < box.right - 20) pen.fillText(format.clock(ms), x(ms), box.foot + AXIS_HEIGHT / 2 + 1);
    }
  }

  /** What is drawn meanwhile stays off the labels. */
  within({ box }, paint) {
    this.#pen.save();
    this.#pen.beginPath();
    this.#pen.rect(box.left, 0, box.right - box.left, box.foot);
    this.#pen.clip();
    paint();
    this.#pen.restore();
  }

  /** Stretches of which something is missing: hatched, over the whole height. */
  holes(frame, holes) {
    const { box, x, ink: colors } = frame;
    const pen = this.#pen;
    for (const { fromMs, toMs } of holes) {
      const from = Math.max(box.left, x(fromMs));
      const to = Math.min(box.right, toMs === null ? box.right : Math.max(x(toMs), x(fromMs) + 3));
      if (to <= from) continue;
      pen.save();
      pen.beginPath();
      pen.rect(from, 0, to - from, box.foot);
      pen.clip();
      pen.globalAlpha = 0.12;
      pen.fillStyle = colors.warn;
      pen.fillRect(from, 0, to - from, box.foot);
      pen.globalAlpha = 0.55;
      pen.strokeStyle = colors.warn;
      pen.beginPath();
      for (let at = from - box.foot; at < to; at += 8) {
        pen.moveTo(at, box.foot);
        pen.lineTo(at + box.foot, 0);
      }
      pen.stroke();
      pen.restore();
    }
  }

  candles({ box, x, y, ink: colors }, candles, lengthMs) {
    const pen = this.#pen;
    const width = Math.max(1, Math.min(26, Math.floor((x(lengthMs) - x(0)) * 0.7)));
    const most = Math.max(...candles.map(({ v }) => v), 0) || 1;
    const deep = box.foot - box.bottom - 8;
    for (const { ms, o, h, l, c, v, open } of candles) {
      const middle = Math.round(x(ms + lengthMs / 2));
      pen.fillStyle = pen.strokeStyle = c >= o ? colors.up : colors.down;
      pen.globalAlpha = open ? 0.5 : 1;
      pen.fillRect(middle - 0.5, y(h), 1, Math.max(1, y(l) - y(h)));
      const top = y(Math.max(o, c));
      pen.fillRect(middle - width / 2, top, width, Math.max(1.5, y(Math.min(o, c)) - top));
      pen.globalAlpha = open ? 0.2 : 0.35;
      pen.fillRect(middle - width / 2, box.foot - (v / most) * deep, width, (v / most) * deep);
    }
    pen.globalAlpha = 1;
  }

  /** The band between bid and ask, which each quote holds until the next; broken where quotes are missing. */
  band({ box, x, y, ink: colors }, quotes, holes) {
    const pen = this.#pen;
    const breaks = new Set(holes.map(({ fromMs }) => fromMs));
    pen.fillStyle = colors.accent;
    quotes.forEach(({ ms, message: { bp, ap } }, i) => {
      const next = quotes[i + 1];
      const from = Math.max(box.left, x(ms));
      const to = breaks.has(ms) ? from : next ? x(next.ms) : Math.min(box.right, x(ms) + 40);
      // a side without an order has price 0
      if (!bp || !ap || to <= from) return;
      pen.globalAlpha = 0.22;
      pen.fillRect(from, y(ap), to - from, Math.max(1, y(bp) - y(ap)));
      pen.globalAlpha = 0.6;
      pen.fillRect(from, y(ap) - 0.5, to - from, 1);
      pen.fillRect(from, y(bp) - 0.5, to - from, 1);
    });
    pen.globalAlpha = 1;
  }

  trades({ box, x, y, ink: colors }, trades) {
    const pen = this.#pen;
    const most = Math.max(...trades.map(({ message }) => message.s), 0) || 1;
    const deep = box.foot - box.bottom - 8;
    for (const { ms, message: { p, s, tks } } of trades) {
      pen.fillStyle = tks === "S" ? colors.down : tks === "B" ? colors.up : colors.soft;
      pen.globalAlpha = 0.85;
      pen.beginPath();
      // by area: a trade of four times the size is a dot of twice the width
      pen.arc(x(ms), y(p), 2 + 4 * Math.sqrt(s / most), 0, 2 * Math.PI);
      pen.fill();
      pen.globalAlpha = 0.35;
      pen.fillRect(x(ms) - 1, box.foot - (s / most) * deep, 2, (s / most) * deep);
    }
    pen.globalAlpha = 1;
  }

  /** The last price, as a line to its label. */
  last(frame, price, rising) {
    const { box, y, ink: colors } = frame;
    if (price === null || y(price) < 0 || y(price) > box.foot) return;
    const color = rising ? colors.up : colors.down;
    this.#dashed(box.left, y(price), box.right, y(price), color);
    this.#label(frame, price, color);
  }

  /** Where the reader points. */
  cross(frame, ms, price) {
    const { box, x, y, ink: colors } = frame;
    if (x(ms) < box.left || x(ms) > box.right) return;
    this.#dashed(x(ms), 0, x(ms), box.foot, colors.soft);
    this.#dashed(box.left, y(price), box.right, y(price), colors.soft);
    this.#label(frame, price, colors.text);
  }

  #label({ box, y, digits, ink: colors }, price, color) {
    const pen = this.#pen;
    // a grid's label that this one would cut in half
    pen.clearRect(box.right + 1, y(price) - 15, box.width - box.right, 30);
    pen.fillStyle = color;
    pen.beginPath();
    pen.roundRect(box.right + 3, y(price) - 9, box.width - box.right - 5, 18, 4);
    pen.fill();
    pen.fillStyle = colors.card;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(format.price(price, digits), box.right + 9, y(price) + 0.5);
  }

  #dashed(x0, y0, x1, y1, color) {
    const pen = this.#pen;
    pen.strokeStyle = color;
    pen.setLineDash([3, 3]);
    this.#line(x0, y0, x1, y1);
    pen.setLineDash([]);
  }

  #line(x0, y0, x1, y1) {
    const pen = this.#pen;
    pen.beginPath();
    pen.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    pen.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    pen.stroke();
  }
}
