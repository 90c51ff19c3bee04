// Finding symbols by typing: a combobox whose list adds what is chosen, takes it off again, or adds all that match at once.

import { count } from "./format.js";

const SHOWN = 60;

/** Symbols that hold the text, those that begin with it first. */
export function matches(symbols, text) {
  const wanted = text.trim().toUpperCase();
  const found = symbols.filter((symbol) => symbol.toUpperCase().includes(wanted));
  const leads = (symbol) => Number(!symbol.toUpperCase().startsWith(wanted));
  return found.sort((a, b) => leads(a) - leads(b));
}

/** Symbols that a list such as "aapl, msft TSLA" names, as the feed writes them; null where the text is no list. */
export function listed(symbols, text) {
  const names = text.split(/[\s,;]+/).filter((name) => name !== "");
  if (names.length < 2) return null;
  const known = new Map(symbols.map((symbol) => [symbol.toUpperCase(), symbol]));
  return [...new Set(names.map((name) => known.get(name.toUpperCase())).filter(Boolean))];
}

export class Picker {
  #symbols = [];
  #all = [];
  #found = [];
  #active = 0;
  #others = new Map();

  /**
   * `chosen(symbol)` says whether it is shown already, `room()` how many more there may be; `onToggle(symbol)` adds or
   * removes one, `onAdd(symbols)` adds many, `onGo(feed)` goes to another feed; `onOpen()` may refresh.
   */
  constructor({ input, popup, list, tally, all, elsewhere, chosen, room, onToggle, onAdd, onGo, onOpen }) {
    Object.assign(this, { input, popup, list, tally, all, elsewhere, chosen, room, onToggle, onAdd, onGo, onOpen });
    input.addEventListener("input", () => this.#open());
    input.addEventListener("focus", () => {
      this.onOpen();
      this.#open();
    });
    input.addEventListener("click", () => this.#open());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.parentElement.addEventListener("focusout", ({ relatedTarget }) => {
      if (!input.parentElement.contains(relatedTarget)) this.#close();
    });
    // Before focusout, which would take the list away from under the pointer.
    popup.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(Number(option.dataset.index));
    });
    popup.addEventListener("keydown", ({ key }) => key === "Escape" && this.#leave());
    all.addEventListener("click", () => this.#addAll());
    elsewhere.addEventListener("click", ({ target }) => target.dataset.feed && this.onGo(target.dataset.feed));
  }

  /** Symbols of the other feeds, by feed: what is searched for may be there. */
  set others(others) {
    this.#others = others;
    if (!this.popup.hidden) this.#sum();
  }

  set symbols(symbols) {
    const active = this.#found[this.#active];
    this.#symbols = symbols;
    if (this.popup.hidden) return;
    this.#open();
    // The feed's answer may come between an arrow and Enter, which takes what the arrow stands on.
    const place = this.#found.indexOf(active);
    if (place >= 0) this.#move(place);
  }

  #open() {
    this.#all = listed(this.#symbols, this.input.value) ?? matches(this.#symbols, this.input.value);
    this.#found = this.#all.slice(0, SHOWN);
    // With nothing typed, Enter must not take the first symbol off.
    this.#active = this.input.value === "" ? -1 : 0;
    this.#render();
  }

  #close() {
    this.popup.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #leave() {
    this.input.value = "";
    this.#close();
    this.input.blur();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.length > 0) {
      event.preventDefault();
      if (this.popup.hidden) this.#open();
      else this.#move((Math.max(this.#active, step < 0 ? 0 : -1) + step + this.#found.length) % this.#found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.popup.hidden) this.#open();
      else if (event.shiftKey || listed(this.#symbols, this.input.value) !== null) this.#addAll();
      else this.#choose(this.#active);
    } else if (event.key === "Escape") {
      this.#leave();
    }
  }

  #choose(index) {
    const symbol = this.#found[index];
    if (symbol === undefined) return;
    this.onToggle(symbol);
    this.input.value = "";
    this.#open();
  }

  get #absent() {
    return this.#all.filter((symbol) => !this.chosen(symbol)).slice(0, this.room());
  }

  #addAll() {
    const absent = this.#absent;
    if (absent.length === 0) return;
    this.onAdd(absent);
    this.input.value = "";
    this.#open();
    this.input.focus();
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
    this.#sum();
    this.popup.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#move(this.#active);
  }

  #sum() {
    const matching = this.#all.length;
    const shown = this.#all.filter((symbol) => this.chosen(symbol)).length;
    const rest = matching > SHOWN ? `, the first ${SHOWN} listed` : "";
    this.tally.textContent = `${matching} of ${count(this.#symbols.length, "symbol")}${rest}, ${shown} on the page`;
    this.elsewhere.replaceChildren(...this.#goes());
    const absent = this.#absent.length;
    this.all.hidden = absent === 0;
    this.all.firstElementChild.textContent = absent === matching - shown ? `Add all ${absent}` : `Add the first ${absent}`;
  }

  #goes() {
    const text = this.input.value;
    const found = [...this.#others].map(([feed, symbols]) => [feed, (listed(symbols, text) ?? matches(symbols, text)).length]);
    return found.filter(([, matching]) => matching > 0).map(([feed, matching]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.feed = feed;
      button.textContent = `${count(matching, "symbol")} in ${feed}`;
      return button;
    });
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
