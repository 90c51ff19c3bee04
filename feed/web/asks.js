// What a connection asks for, in commands that a gateway takes; where one is refused for a stream that is not granted, in parts.

export const KINDS = Object.freeze(["trades", "quotes", "bars"]);
// With a position of the longest names each, a command stays below the 64 KiB that a gateway reads.
const STREAMS_AT_ONCE = 240;
// Half as many commands a second as the gateway takes.
const ASK_EVERY_MS = 40;

export function kindOf(stream) {
  return stream.slice(0, stream.indexOf(":"));
}

export function symbolOf(stream) {
  return stream.slice(stream.indexOf(":") + 1);
}

export function streamsOf(symbols) {
  return symbols.flatMap((symbol) => KINDS.map((kind) => `${kind}:${symbol}`));
}

/** `{trades: [...], quotes: [...], bars: [...]}`, and any other kind that is among them. */
export function byKind(streams) {
  const named = Object.fromEntries(KINDS.map((kind) => [kind, []]));
  for (const stream of streams) (named[kindOf(stream)] ??= []).push(symbolOf(stream));
  return named;
}

/** As few parts as there may be; none where there is nothing. */
export function inParts(streams, most = STREAMS_AT_ONCE) {
  const count = Math.ceil(streams.length / most);
  return Array.from({ length: count }, (_, i) => streams.slice(i * most, (i + 1) * most));
}

/** What to ask for instead of a command of which one stream is not granted: its kinds, then its symbols, one by one. */
export function apart(streams) {
  const kinds = Object.groupBy(streams, kindOf);
  if (Object.keys(kinds).length > 1) return Object.values(kinds);
  return streams.length > 1 ? streams.map((stream) => [stream]) : [];
}

export class Asks {
  #open = new Map();
  #apart = [];
  #timer = 0;
  #denied = new Set();
  #resumes = true;

  /** `send(command)` returns its id; `since(streams)` says where to resume; `denied(kind, symbols)` is told at the end. */
  constructor({ send, since, wanted, denied }) {
    Object.assign(this, { send, since, wanted, denied });
  }

  add(streams) {
    for (const part of inParts(streams)) this.ask(part);
  }

  /** One command, even if it names nothing. */
  ask(streams) {
    const granted = streams.filter((stream) => !this.#denied.has(stream));
    const since = this.since(granted);
    const resume = this.#resumes && Object.keys(since).length > 0;
    const how = { snapshot: true, stamps: true, ...(resume ? { since } : {}) };
    const id = this.send({ action: "subscribe", ...byKind(granted), ...how });
    this.#open.set(id, { streams, resume });
  }

  answered(id) {
    this.#open.delete(id);
  }

  /** Whether the error is of a command of ours; `told` where nobody needs to hear of it as it is. */
  refused({ code, id }) {
    const ask = this.#open.get(id);
    if (ask === undefined) return { ours: false, told: false };
    this.#open.delete(id);
    // A gateway that can't resume refuses to, and is asked for the present: what that leaves out will be counted.
    if (code === 400 && ask.resume) {
      this.#resumes = false;
      this.ask(ask.streams);
    }
    if (code === 409) this.#split(ask.streams);
    return { ours: true, told: code === 409 };
  }

  /** A new connection: what was asked on the last one is not answered any more. */
  forget() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#apart = [];
    this.#open.clear();
  }

  /** Other credentials: what the last ones did not include may be asked for. */
  allow() {
    this.#denied.clear();
  }

  #split(streams) {
    const parts = apart(streams);
    this.#apart.push(...parts);
    if (parts.length === 0) this.#denied.add(streams[0]);
    if (this.#timer === 0) this.#timer = setInterval(() => this.#next(), ASK_EVERY_MS);
  }

  #next() {
    const next = this.#apart.shift();
    if (next !== undefined) {
      const streams = next.filter((stream) => this.wanted(stream));
      if (streams.length > 0) this.ask(streams);
    } else if (this.#open.size === 0) {
      this.forget();
      const denied = byKind([...this.#denied].filter((stream) => this.wanted(stream)));
      for (const [kind, symbols] of Object.entries(denied)) if (symbols.length > 0) this.denied(kind, symbols);
    }
  }
}
