// Writing to the page only what changed: most of a ticking table stays as it is from frame to frame.

const written = new WeakMap();

/** Sets an element's text. Text is all that ever reaches the page from the network. */
export function put(node, text) {
  if (written.get(node) === text) return;
  written.set(node, text);
  node.textContent = text;
}

export function flag(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

/** Sets a custom property that the style sheet draws from, such as the width of a bar. */
export function draw(node, name, value) {
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
}

/** The elements below `root` that carry data-cell, by that name. */
export function cells(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-cell]")].map((node) => [node.dataset.cell, node]));
}
