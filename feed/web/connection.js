// One WebSocket of the protocol at depth two: greeting, credentials, subscription, resume, and coming back when it is lost.

import { authCommand } from "./access.js";

export const KINDS = Object.freeze(["trades", "quotes", "bars"]);
const SUBPROTOCOL = "feed.v1.json";
const SILENCE_MS = 10_000;
const PING_EVERY_MS = 5_000;
const STEADY_MS = 5_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
// Half as many commands a second as the gateway takes.
const ASK_EVERY_MS = 40;
const TOKEN_EXPIRED = 4005;
const OBJECTIONS = [402, 404, 406, 409];

/** Milliseconds to wait before attempt number `attempt` (0 is the first): full jitter, so that clients spread. */
export function retryDelay(attempt, random) {
  return random * Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 10));
}

export function mayReconnect(code) {
  return code < 4500 && code !== 1009;
}

export class Connection {
  #socket = null;
  #wanted = new Set();
  #asked = new Set();
  #ready = false;
  #readyAt = 0;
  #attempt = 0;
  #heardAt = 0;
  #pingedAt = -Infinity;
  #nextId = 1;
  #resumes = true;
  #asks = new Map();
  #apart = [];
  #apartTimer = 0;
  #denied = new Set();
  #probing = false;
  #renewing = false;
  #objection = null;
  #pings = new Map();
  #retryTimer = 0;
  #watch = 0;

  /**
   * `on.state({name, ...})` tells of connecting, live, waiting (with `retryAt`), stopped (with `error`, what the gateway
   * objected to before), and locked: this gateway wants credentials. `on.frame(messages, bytes)` gets every frame,
   * `on.pong(sent, message)` a round trip, `on.denied(kind, symbols)` what the credentials don't include, and `on.renewed()`
   * is told that new ones count. `since(streams)` says where to resume; `credentials` null are none.
   */
  constructor({ url, credentials = null, since, on, now = () => performance.now() }) {
    Object.assign(this, { url, credentials, since, on, now });
  }

  open() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watch);
    this.#ready = false;
    this.#asked.clear();
    this.#pings.clear();
    this.#forgetAsks();
    this.#objection = null;
    this.#renewing = this.#probing = false;
    this.#heardAt = this.now();
    const socket = new WebSocket(this.url, [SUBPROTOCOL]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    this.#watch = setInterval(() => this.#check(), 1000);
    this.on.state({ name: "connecting" });
  }

  close() {
    clearTimeout(this.#retryTimer);
    this.#abandon();
  }

  /** Presents a fresh token on this connection, which goes on as it is. */
  renew(credentials) {
    this.credentials = credentials;
    this.#denied.clear();
    if (!this.#ready) return;
    this.#renewing = true;
    this.#send(authCommand(credentials));
  }

  /** Finds out whether this gateway serves a reader who presented nothing, before any symbol is asked for. */
  probe() {
    this.#probing = !this.#ready;
    if (this.#ready) this.#subscribe(KINDS, []);
  }

  /** Sets the symbols wanted; sends what changed. */
  want(symbols) {
    this.#wanted = new Set(symbols);
    if (!this.#ready) return;
    const added = symbols.filter((symbol) => !this.#asked.has(symbol));
    const dropped = [...this.#asked].filter((symbol) => !this.#wanted.has(symbol));
    if (dropped.length > 0) this.#send({ action: "unsubscribe", ...everyKind(dropped) });
    if (added.length > 0) this.#subscribe(KINDS, added);
    this.#asked = new Set(symbols);
  }

  #receive(data) {
    this.#heardAt = this.now();
    const messages = JSON.parse(data);
    const [first] = messages;
    this.#objection = null;
    if (first?.T === "success") this.#greeted(first.msg);
    else if (first?.T === "pong") this.#ponged(first);
    else if (first?.T === "subscription") this.#asks.delete(first.id);
    else if (first?.T === "error" && this.#refused(first)) return;
    this.on.frame(messages, data.length);
  }

  #greeted(what) {
    if (what === "connected" && this.credentials !== null) {
      this.#send(authCommand(this.credentials));
    } else if (!this.#ready) {
      this.#ready = true;
      this.#readyAt = this.now();
      this.#pingedAt = -Infinity;
      this.on.state({ name: "live" });
      this.want([...this.#wanted]);
      if (this.#probing) this.probe();
    } else if (this.#renewing) {
      // A session cookie is answered likewise, of its own accord.
      this.#renewing = false;
      this.on.renewed();
    }
  }

  /** Takes an error; true where nobody needs to be told of it as it is. */
  #refused({ code, id }) {
    const ask = this.#asks.get(id);
    this.#asks.delete(id);
    if (code === 401) {
      this.#abandon();
      this.on.state({ name: "locked", code });
      return true;
    }
    if (ask === undefined) {
      if (OBJECTIONS.includes(code)) this.#objection = code;
      return false;
    }
    // A gateway that can't resume refuses to, and is asked for the present: what that leaves out will be counted.
    if (code === 400 && ask.resume) {
      this.#resumes = false;
      this.#subscribe(ask.kinds, ask.symbols);
    }
    if (code === 409) this.#split(ask);
    return code === 409;
  }

  /** One stream that is not granted fails a whole command: what is granted is found by asking for less at a time. */
  #split({ kinds, symbols }) {
    if (kinds.length > 1) this.#apart.push(...kinds.map((kind) => ({ kinds: [kind], symbols })));
    else if (symbols.length > 1) this.#apart.push(...symbols.map((symbol) => ({ kinds, symbols: [symbol] })));
    else this.#denied.add(`${kinds[0]}:${symbols[0]}`);
    if (this.#apartTimer === 0) this.#apartTimer = setInterval(() => this.#askNext(), ASK_EVERY_MS);
  }

  #askNext() {
    const next = this.#apart.shift();
    if (next !== undefined) {
      const symbols = next.symbols.filter((symbol) => this.#wanted.has(symbol));
      if (symbols.length > 0) this.#subscribe(next.kinds, symbols);
    } else if (this.#asks.size === 0) {
      this.#forgetAsks();
      for (const kind of KINDS) {
        const symbols = [...this.#wanted].filter((symbol) => this.#denied.has(`${kind}:${symbol}`));
        if (symbols.length > 0) this.on.denied(kind, symbols);
      }
    }
  }

  #forgetAsks() {
    clearInterval(this.#apartTimer);
    this.#apartTimer = 0;
    this.#apart = [];
    this.#asks.clear();
  }

  #subscribe(kinds, symbols) {
    const wanted = kinds.map((kind) => [kind, symbols.filter((symbol) => !this.#denied.has(`${kind}:${symbol}`))]);
    const since = this.since(wanted.flatMap(([kind, names]) => names.map((symbol) => `${kind}:${symbol}`)));
    const resume = this.#resumes && Object.keys(since).length > 0;
    const id = this.#nextId++;
    this.#asks.set(id, { kinds, symbols, resume });
    const how = { snapshot: true, stamps: true, ...(resume ? { since } : {}) };
    this.#send({ action: "subscribe", id, ...Object.fromEntries(wanted), ...how });
  }

  #ponged(message) {
    const sent = this.#pings.get(message.id);
    this.#pings.delete(message.id);
    if (sent !== undefined) this.on.pong(sent, message);
  }

  #check() {
    const now = this.now();
    // A gateway is never silent for this long: it sends heartbeats. The browser may take minutes to notice by itself.
    if (now - this.#heardAt > SILENCE_MS) {
      const ready = this.#ready;
      this.#abandon();
      this.#ready = ready;
      this.#lost(1006, `silent for ${SILENCE_MS / 1000} s`);
    } else if (this.#ready && now - this.#pingedAt > PING_EVERY_MS) {
      this.#pingedAt = now;
      this.#pings.clear();
      this.#pings.set(this.#nextId, this.on.sent());
      this.#send({ action: "ping", id: this.#nextId++ });
    }
  }

  /** Without its listeners: a close that waits for a dead network must not be reported a second time. */
  #abandon() {
    clearInterval(this.#watch);
    this.#forgetAsks();
    if (this.#socket === null) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
    this.#ready = false;
  }

  #lost(code, reason) {
    clearInterval(this.#watch);
    this.#forgetAsks();
    this.#socket = null;
    // A gateway that greets and closes at once must not be asked ever faster.
    if (this.#ready && this.now() - this.#readyAt > STEADY_MS) this.#attempt = 0;
    this.#ready = false;
    // A token that has ended is no use a second time; a session cookie may be another one by then.
    if (!mayReconnect(code) || (code === TOKEN_EXPIRED && this.credentials !== null)) {
      this.on.state({ name: "stopped", code, reason, error: this.#objection });
      return;
    }
    const delay = retryDelay(this.#attempt++, Math.random());
    this.#retryTimer = setTimeout(() => this.open(), delay);
    this.on.state({ name: "waiting", code, reason, delay, retryAt: this.now() + delay });
  }

  #send(command) {
    this.#socket.send(JSON.stringify(command));
  }
}

function everyKind(symbols) {
  return Object.fromEntries(KINDS.map((kind) => [kind, symbols]));
}
