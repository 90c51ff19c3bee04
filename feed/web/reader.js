// Who reads the page: their credentials, for as long as it lives, and the form to sign in by.

import { kindOf, reason, restHeaders, stillGood } from "./access.js";
import { SignIn } from "./signin.js";

export class Reader {
  /** Shut out: nothing is asked for until the reader does something about it. */
  barred = false;
  // Nowhere but here: what is stored, or stands in an address, is found again by others.
  #credentials = null;
  #page;
  #signin;

  /** `onEnter()` begins with new credentials; `onRenew()` goes on with them; `onShut()` is told when nothing may be shown. */
  constructor(page, { onEnter, onRenew, onShut }) {
    this.#page = page;
    this.onShut = onShut;
    this.#signin = new SignIn(page, (given, renewing) => {
      this.#credentials = given;
      (renewing ? onRenew : onEnter)();
    });
  }

  get credentials() {
    return this.#credentials;
  }

  get known() {
    return this.#credentials !== null;
  }

  get headers() {
    return restHeaders(this.#credentials);
  }

  letIn() {
    this.#show(true);
    this.done();
  }

  done() {
    this.#signin.close();
  }

  /** Asks to sign in, and says why; true where trying again as they are may help. */
  turnedAway(state, feed) {
    const held = kindOf(this.#credentials);
    const good = stillGood(state);
    if (!good) this.#credentials = null;
    this.barred = true;
    this.#show(false);
    this.onShut();
    this.#signin.ask(reason(state, held, feed));
    return held === "" || good;
  }

  /** A token can be replaced while it is good. */
  expiring() {
    if (kindOf(this.#credentials) !== "token") return;
    this.#signin.renew("The token that you signed in with ends soon. Give a new one, and nothing is missed.");
  }

  forget() {
    this.#credentials = null;
  }

  /** Shows prices, or hides them from who may not have them, or not any more. */
  #show(may) {
    document.body.dataset.locked = may ? "no" : "yes";
    this.#page.leave.hidden = !this.known;
  }
}
