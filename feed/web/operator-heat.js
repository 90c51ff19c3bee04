// How many deliveries took how long, second by second: a heat map of a histogram.

import { shown } from "./operator-panels.js";
import { KEPT_S } from "./operator-numbers.js";

const LEFT = 58; // room for the words beside the bounds
const BELOW = 18;
const ABOVE = 7; // half of a word
const WORDS_APART = 22;

/** The bounds that are drawn: from the lowest to the highest that counted something, and one beside each. */
export function extent(looks) {
  const bounds = looks.at(-1)?.counts.map(([bound]) => bound) ?? [];
  const hit = new Set(looks.flatMap(({ counts }) => counts.filter(([, by]) => by > 0).map(([bound]) => bound)));
  const places = bounds.flatMap((bound, at) => (hit.has(bound) ? [at] : []));
  if (places.length === 0) return [];
  return bounds.slice(Math.max(0, places[0] - 1), places.at(-1) + 2);
}

/** Draws `looks`, each with its time and what was counted by upper bound. */
export function drawHeat(canvas, looks, now) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (wide === 0) return;
  const [width, height] = [Math.round(wide * ratio), Math.round(high * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  const bounds = extent(looks);
  if (bounds.length === 0) return;
  const style = getComputedStyle(canvas);
  const row = (high - ABOVE - BELOW) / bounds.length;
  const column = (wide - LEFT) / KEPT_S;
  const most = Math.max(...looks.flatMap(({ span, counts }) => counts.map(([, by]) => by / span)));
  pen.fillStyle = style.getPropertyValue("--accent");
  for (const { t, span, counts } of looks) {
    const x = wide - (now - t + span) * column;
    for (const [bound, by] of counts) {
      const at = bounds.indexOf(bound);
      if (at < 0 || by === 0) continue;
      // a square root: a few slow ones among thousands must be seen
      pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(by / span / most);
      pen.fillRect(Math.max(LEFT, x), high - BELOW - (at + 1) * row + 0.5, span * column + 0.3, row - 1);
    }
  }
  pen.globalAlpha = 1;
  words(pen, style, bounds, { wide, high, row });
}

function words(pen, style, bounds, { wide, high, row }) {
  pen.fillStyle = style.getPropertyValue("--soft");
  pen.font = `11px ${style.fontFamily}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const skip = Math.max(1, Math.ceil(WORDS_APART / row));
  bounds.forEach((bound, at) => {
    if (at % skip > 0 || bound === Infinity) return;
    pen.fillText(shown(bound), LEFT - 8, high - BELOW - (at + 1) * row);
  });
  pen.textBaseline = "bottom";
  pen.fillText("now", wide, high);
  pen.textAlign = "left";
  pen.fillText("a minute ago", LEFT, high);
}
