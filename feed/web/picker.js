// Finding a symbol by typing: a combobox whose list adds what is chosen, or takes it off again.

const SHOWN = 50;

/** Symbols that hold the text, those that begin with it first. */
export function matches(symbols, text) {
  const wanted = text.trim().toUpperCase();
  const found = symbols.filter((symbol) => symbol.toUpperCase().includes(wanted));
  const leads = (symbol) => Number(!symbol.toUpperCase().startsWith(wanted));
  return found.sort((a, b) => leads(a) - leads(b)).slice(0, SHOWN);
}

export class Picker {
  #symbols = [];
  #found = [];
  #active = 0;

  /** `chosen(symbol)` says whether it is shown already; `onToggle(symbol)` adds or removes it; `onOpen()` may refresh. */
  constructor({ input, list, chosen, onToggle, onOpen }) {
    Object.assign(this, { input, list, chosen, onToggle, onOpen });
    input.addEventListener("input", () => this.#open());
    input.addEventListener("focus", () => {
      this.onOpen();
      this.#open();
    });
    input.addEventListener("click", () => this.#open());
    input.addEventListener("blur", () => this.#close());
    input.addEventListener("keydown", (event) => this.#key(event));
    // Before blur, which would take the list away from under the pointer.
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(Number(option.dataset.index));
    });
  }

  set symbols(symbols) {
    const active = this.#found[this.#active];
    this.#symbols = symbols;
    if (this.list.hidden) return;
    this.#open();
    // The feed's answer may come between an arrow and Enter, which takes what the arrow stands on.
    const place = this.#found.indexOf(active);
    if (place >= 0) this.#move(place);
  }

  #open() {
    this.#found = matches(this.#symbols, this.input.value);
    // With nothing typed, Enter must not take the first symbol off.
    this.#active = this.input.value === "" ? -1 : 0;
    this.#render();
  }

  #close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.length > 0) {
      event.preventDefault();
      if (this.list.hidden) this.#open();
      else this.#move((Math.max(this.#active, step < 0 ? 0 : -1) + step + this.#found.length) % this.#found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.list.hidden) this.#open();
      else this.#choose(this.#active);
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.#close();
      this.input.blur();
    }
  }

  #choose(index) {
    const symbol = this.#found[index];
    if (symbol === undefined) return;
    this.onToggle(symbol);
    this.input.value = "";
    this.#open();
  }

  #move(index) {
    this.#active = index;
    for (const option of this.list.children) {
      option.setAttribute("aria-selected", String(Number(option.dataset.index) === index));
    }
    const option = this.list.children[index];
    option?.scrollIntoView({ block: "nearest" });
    if (option?.id) this.input.setAttribute("aria-activedescendant", option.id);
  }

  #render() {
    this.list.replaceChildren(...this.#found.map((symbol, index) => this.#option(symbol, index)));
    if (this.#found.length === 0) this.list.append(nothing(this.input.value));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#move(this.#active);
  }

  #option(symbol, index) {
    const option = document.createElement("li");
    option.id = `symbol-${index}`;
    option.role = "option";
    option.dataset.index = String(index);
    option.dataset.chosen = this.chosen(symbol) ? "yes" : "no";
    const name = document.createElement("span");
    name.textContent = symbol;
    const what = document.createElement("span");
    what.textContent = this.chosen(symbol) ? "shown – remove" : "add";
    option.append(name, what);
    return option;
  }
}

function nothing(text) {
  const item = document.createElement("li");
  item.className = "nothing";
  item.textContent = text ? `No symbol holds “${text}”` : "This feed has no symbols yet";
  return item;
}
