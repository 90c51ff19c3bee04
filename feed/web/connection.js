// One WebSocket of the protocol at depth two: greeting, subscription, resume, and coming back when it is lost.

export const KINDS = Object.freeze(["trades", "quotes", "bars"]);
const SUBPROTOCOL = "feed.v1.json";
const SILENCE_MS = 10_000;
const PING_EVERY_MS = 5_000;
const STEADY_MS = 5_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;

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
  #resuming = null;
  #pings = new Map();
  #retryTimer = 0;
  #watch = 0;

  /**
   * `on.state({name, ...})` tells of connecting, live, waiting (with `retryAt`) and stopped; `on.frame(messages, bytes)` gets
   * every frame; `on.pong(sent, message)` a round trip. `since(streams)` says where to resume, `token` may be empty.
   */
  constructor({ url, token = "", since, on, now = () => performance.now() }) {
    Object.assign(this, { url, token, since, on, now });
  }

  open() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watch);
    this.#ready = false;
    this.#asked.clear();
    this.#pings.clear();
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

  /** Sets the symbols wanted; sends what changed. */
  want(symbols) {
    this.#wanted = new Set(symbols);
    if (!this.#ready) return;
    const added = symbols.filter((symbol) => !this.#asked.has(symbol));
    const dropped = [...this.#asked].filter((symbol) => !this.#wanted.has(symbol));
    if (dropped.length > 0) this.#send({ action: "unsubscribe", ...everyKind(dropped) });
    if (added.length > 0) this.#subscribe(added);
    this.#asked = new Set(symbols);
  }

  #receive(data) {
    this.#heardAt = this.now();
    const messages = JSON.parse(data);
    const [first] = messages;
    if (first?.T === "success") this.#greeted(first.msg);
    else if (first?.T === "pong") this.#ponged(first);
    else if (first?.T === "error" && first.code === 400 && first.id === this.#resuming) this.#notResumed();
    this.on.frame(messages, data.length);
  }

  #greeted(what) {
    if (what === "connected" && this.token !== "") {
      this.#send({ action: "auth", key: this.token, secret: "" });
    } else if (!this.#ready) {
      this.#ready = true;
      this.#readyAt = this.now();
      this.#pingedAt = -Infinity;
      this.on.state({ name: "live" });
      this.want([...this.#wanted]);
    }
  }

  #subscribe(symbols) {
    const since = this.since(KINDS.flatMap((kind) => symbols.map((symbol) => `${kind}:${symbol}`)));
    const resume = this.#resumes && Object.keys(since).length > 0;
    const id = this.#nextId++;
    if (resume) this.#resuming = id;
    const how = { snapshot: true, stamps: true, ...(resume ? { since } : {}) };
    this.#send({ action: "subscribe", id, ...everyKind(symbols), ...how });
  }

  /** A gateway that can't resume refuses to, and is asked for the present: what that leaves out will be counted. */
  #notResumed() {
    this.#resuming = null;
    this.#resumes = false;
    this.#subscribe([...this.#asked]);
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
    if (this.#socket === null) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
    this.#ready = false;
  }

  #lost(code, reason) {
    clearInterval(this.#watch);
    this.#socket = null;
    // A gateway that greets and closes at once must not be asked ever faster.
    if (this.#ready && this.now() - this.#readyAt > STEADY_MS) this.#attempt = 0;
    this.#ready = false;
    if (!mayReconnect(code)) {
      this.on.state({ name: "stopped", code, reason });
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
