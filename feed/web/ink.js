// The style sheet's colours for what is drawn on a canvas: read once, and again when they change.

const NAMES = Object.freeze(["text", "soft", "line", "card", "accent", "up", "down", "warn", "track"]);
let read = null;

/** Each colour by its name in the style sheet, as rgb. */
export function ink() {
  if (read === null) {
    const style = getComputedStyle(document.documentElement);
    read = Object.freeze(Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])));
  }
  return read;
}

export function inkChanged() {
  read = null;
}
