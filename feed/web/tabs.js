// Tabs, by the pattern that screen readers know: one stop for the Tab key, arrows within, what is chosen is shown at once.

const STEPS = Object.freeze({ ArrowRight: 1, ArrowLeft: -1 });

export class Tabs {
  #tabs;
  #chosen = null;

  /** `list` holds buttons of role tab, each with data-tab and aria-controls; `onChoose(name, before)` is told of changes. */
  constructor(list, onChoose) {
    this.onChoose = onChoose;
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    list.addEventListener("click", ({ target }) => {
      const tab = target.closest("[role=tab]");
      if (tab) this.choose(tab.dataset.tab);
    });
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  get chosen() {
    return this.#chosen;
  }

  /** Shows a tab; one that is hidden can't be chosen. */
  choose(name, focus = false) {
    const tab = this.#shown.find((each) => each.dataset.tab === name);
    if (!tab) return;
    if (focus) tab.focus();
    if (name === this.#chosen) return;
    const before = this.#chosen;
    this.#chosen = name;
    for (const each of this.#tabs) {
      const mine = each === tab;
      each.setAttribute("aria-selected", String(mine));
      each.tabIndex = mine ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !mine;
    }
    this.onChoose(name, before);
  }

  /** Offers a tab, or takes it away: whoever stood there is led to the first. */
  offer(name, may) {
    const tab = this.#tabs.find((each) => each.dataset.tab === name);
    tab.hidden = !may;
    if (!may && this.#chosen === name) this.choose(this.#tabs[0].dataset.tab);
  }

  get #shown() {
    return this.#tabs.filter((tab) => !tab.hidden);
  }

  #key(event) {
    const shown = this.#shown;
    const at = shown.findIndex((tab) => tab.dataset.tab === this.#chosen);
    const step = STEPS[event.key];
    const ends = { Home: 0, End: shown.length - 1 };
    const next = step ? (at + step + shown.length) % shown.length : ends[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(shown[next].dataset.tab, true);
  }
}
