// The page's own keys: single ones, never where somebody types.

import { TABS } from "./view.js";

const TYPED = "input:not([type=radio]), select, textarea, [contenteditable]";

/** `help` is the dialog that lists the keys. */
export function listenToKeys({ search, tab, theme, help }) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.(TYPED) || help.open) return;
    const name = TABS[Number(event.key) - 1];
    if (event.key === "/") search();
    else if (name) tab(name);
    else if (event.key === "c") theme();
    else if (event.key === "?") help.showModal();
    else return;
    event.preventDefault();
  });
}
