// Light or dark: as the system has it, unless the reader chose. The choice is kept; it says nothing about who reads.

const KEY = "theme";
const NEXT = Object.freeze({ system: "light", light: "dark", dark: "system" });
const SAID = Object.freeze({ system: "as the system has it", light: "light", dark: "dark" });
const root = document.documentElement;

/** A browser may be told to keep nothing, and then refuses to be asked. */
function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch (error) {
    if (error.name === "SecurityError") return null;
    throw error;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch (error) {
    if (!["SecurityError", "QuotaExceededError"].includes(error.name)) throw error;
  }
}

function wear(theme) {
  root.dataset.theme = theme;
}

export class ThemeSwitch {
  #button;

  /** `onChange()` is told when colours change, by the switch or by the system. */
  constructor(button, onChange) {
    this.#button = button;
    this.onChange = onChange;
    button.addEventListener("click", () => this.next());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => onChange());
    this.#say();
  }

  next() {
    wear(NEXT[root.dataset.theme]);
    keep(root.dataset.theme);
    this.#say();
    this.onChange();
  }

  #say() {
    const { theme } = root.dataset;
    const text = `Colours: ${SAID[theme]}. Change to ${SAID[NEXT[theme]]}`;
    this.#button.setAttribute("aria-label", text);
    this.#button.title = text;
  }
}

// At once, before the page is drawn for the first time.
wear(Object.hasOwn(NEXT, kept() ?? "") ? kept() : "system");
