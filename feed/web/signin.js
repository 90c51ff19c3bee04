// The form to sign in by: shown when a gateway wants to know its reader, emptied as soon as it was read.

import { put } from "./cell.js";
import { parse } from "./access.js";

const FIELDS = ["key", "secret", "token"];

export class SignIn {
  #cell;
  #renewing = false;

  /** `onEnter(credentials, renewing)` gets what was typed. */
  constructor(cell, onEnter) {
    this.#cell = cell;
    this.onEnter = onEnter;
    cell.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enter();
    });
    cell.form.addEventListener("change", () => this.#choose());
    cell.later.addEventListener("click", () => this.close());
    cell.plain.hidden = isSecureContext;
  }

  /** Asks for credentials, and says why. */
  ask(why) {
    const shown = !this.#cell.signin.hidden && !this.#renewing;
    this.#open(why, false);
    if (!shown) (this.#way === "token" ? this.#cell.token : this.#cell.key).focus();
  }

  /** Asks for a token in place of one that ends soon, beside what goes on. */
  renew(why) {
    if (this.#cell.signin.hidden) this.#open(why, true);
  }

  close() {
    this.#cell.signin.hidden = true;
    this.#busy(false);
    for (const name of FIELDS) this.#cell[name].value = "";
  }

  get #way() {
    return this.#renewing || this.#cell.form.elements.way.value === "token" ? "token" : "key";
  }

  #open(why, renewing) {
    const { signin, signinTitle, ways, enter, later } = this.#cell;
    this.#renewing = renewing;
    put(signinTitle, renewing ? "Stay signed in" : "Sign in");
    put(enter, renewing ? "Replace the token" : "Sign in");
    ways.hidden = renewing;
    later.hidden = !renewing;
    this.#choose();
    this.#busy(false);
    signin.hidden = false;
    put(this.#cell.why, why);
  }

  #choose() {
    for (const entry of this.#cell.form.querySelectorAll("[data-way]")) entry.hidden = entry.dataset.way !== this.#way;
  }

  #enter() {
    const typed = Object.fromEntries(FIELDS.map((name) => [name, this.#cell[name].value]));
    const { credentials, fault, field } = parse({ way: this.#way, ...typed });
    if (fault) {
      put(this.#cell.why, fault);
      this.#cell[field].focus();
      return;
    }
    for (const name of ["secret", "token"]) this.#cell[name].value = "";
    this.#busy(true);
    this.onEnter(credentials, this.#renewing);
  }

  #busy(busy) {
    this.#cell.enter.disabled = busy;
    this.#cell.form.setAttribute("aria-busy", String(busy));
  }
}
