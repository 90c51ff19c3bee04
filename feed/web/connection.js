// One WebSocket of the protocol at depth two: greeting, credentials, subscription, resume, and coming back when it is lost.

import { authCommand } from "./access.js";
import { Asks, byKind, inParts } from "./asks.js";

const SUBPROTOCOL = "feed.v1.json";
const SILENCE_MS = 10_000;
const PING_EVERY_MS = 5_000;
const ECHO_EVERY_MS = 2_000;
const STEADY_MS = 5_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
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
  #echoedAt = -Infinity;
  #echoes = new Set();
  #nextId = 1;
  #asks;
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
   * is told that new ones count. `since(streams)` says where to resume; `credentials` null are none. While `watched()`
   * somebody looks: the gateway is helped to measure the way to here.
   */
  constructor({ url, credentials = null, since, on, watched = () => true, now = () => performance.now() }) {
    Object.assign(this, { url, credentials, on, watched, now });
    this.#asks = new Asks({
      since,
      send: (command) => this.#command(command),
      wanted: (stream) => this.#wanted.has(stream),
      denied: (kind, symbols) => this.on.denied(kind, symbols),
    });
  }

  open() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watch);
    this.#ready = false;
    this.#asked = new Set();
    this.#pings.clear();
    this.#echoes.clear();
    this.#asks.forget();
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
    this.#asks.allow();
    if (!this.#ready) return;
    this.#renewing = true;
    this.#send(authCommand(credentials));
  }

  /** Finds out whether this gateway serves a reader who presented nothing, before any symbol is asked for. */
  probe() {
    this.#probing = !this.#ready;
    if (this.#ready) this.#asks.ask([]);
  }

  /** Sets the streams wanted, each `kind:symbol`; sends what changed. */
  want(streams) {
    this.#wanted = new Set(streams);
    if (!this.#ready) return;
    const added = streams.filter((stream) => !this.#asked.has(stream));
    const dropped = [...this.#asked].filter((stream) => !this.#wanted.has(stream));
    for (const part of inParts(dropped)) this.#command({ action: "unsubscribe", ...byKind(part) });
    this.#asks.add(added);
    this.#asked = new Set(streams);
  }

  #receive(data) {
    this.#heardAt = this.now();
    const messages = JSON.parse(data);
    this.#echo(messages.at(-1)?.tw);
    const [first] = messages;
    this.#objection = null;
    if (first?.T === "success") this.#greeted(first.msg);
    else if (first?.T === "pong") this.#ponged(first);
    else if (first?.T === "subscription") this.#asks.answered(first.id);
    else if (first?.T === "error" && this.#refused(first)) return;
    this.on.frame(messages, data.length);
  }

  /** Returns a stamp before anything else is done with its frame: the way is to be measured, and not our work. */
  #echo(tw) {
    if (tw === undefined || this.#heardAt - this.#echoedAt < ECHO_EVERY_MS || !this.watched()) return;
    this.#echoedAt = this.#heardAt;
    this.#echoes.clear();
    this.#echoes.add(this.#command({ action: "echo", tw }));
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
  #refused(error) {
    const { code, id } = error;
    if (code === 401) {
      this.#asks.answered(id);
      this.#abandon();
      this.on.state({ name: "locked", code });
      return true;
    }
    // A stamp that lay in a sleeping computer for a minute measures nothing: the gateway says so, and that is all.
    if (this.#echoes.delete(id)) return true;
    const { ours, told } = this.#asks.refused(error);
    if (!ours && OBJECTIONS.includes(code)) this.#objection = code;
    return told;
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
      const sent = this.on.sent();
      this.#pings.set(this.#command({ action: "ping" }), sent);
    }
  }

  /** Without its listeners: a close that waits for a dead network must not be reported a second time. */
  #abandon() {
    clearInterval(this.#watch);
    this.#asks.forget();
    if (this.#socket === null) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
    this.#ready = false;
  }

  #lost(code, reason) {
    clearInterval(this.#watch);
    this.#asks.forget();
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

  /** Sends a command with an id, which its answer carries: that id. */
  #command(command) {
    const id = this.#nextId++;
    this.#send({ ...command, id });
    return id;
  }

  #send(command) {
    this.#socket.send(JSON.stringify(command));
  }
}
