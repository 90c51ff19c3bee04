// Where this client stands in each stream: proves that nothing was lost in silence, and says where to resume.

export const Verdict = Object.freeze({ NEXT: "next", FIRST: "first", SNAPSHOT: "snapshot", HOLE: "hole", REPEAT: "repeat" });

export class Positions {
  #streams = new Map();

  /**
   * The answer to a subscribe. What is recovered comes next, from where we stood; what can't be, a gap message names.
   * Where resuming was not asked for, returns how many ticks that leaves out.
   */
  granted(stream, { epoch, seq, recovered }) {
    const known = this.#streams.get(stream);
    this.#streams.set(stream, { epoch, seq: recovered === true && known ? known.seq : seq });
    const comparable = known && recovered === undefined && (known.epoch === epoch || known.epoch === null);
    return comparable ? Math.max(0, seq - known.seq) : 0;
  }

  tick(stream, message) {
    const known = this.#streams.get(stream);
    if (!known) {
      this.#streams.set(stream, { epoch: null, seq: message.q });
      return Verdict.FIRST;
    }
    const stood = known.seq;
    known.seq = Math.max(stood, message.q);
    if (message.snap) return Verdict.SNAPSHOT;
    if (message.q <= stood) return Verdict.REPEAT;
    // A conflated message stands for all from its first one on.
    return (message.m?.q0 ?? message.q) <= stood + 1 ? Verdict.NEXT : Verdict.HOLE;
  }

  /** A new epoch may number from further back: what this client had, the bus has forgotten. */
  gap({ stream, next, to, q }) {
    const known = this.#streams.get(stream) ?? { epoch: null, seq: 0 };
    this.#streams.set(stream, known);
    if (next && next.epoch !== known.epoch) {
      known.epoch = next.epoch;
      known.seq = next.seq - 1;
    } else {
      known.seq = Math.max(known.seq, next ? next.seq - 1 : (q ?? to ?? 0));
    }
  }

  /** A change that lost nothing: numbers go on. Returns the epoch before, null if there was none. */
  epoch({ stream, epoch }) {
    const known = this.#streams.get(stream);
    const before = known?.epoch ?? null;
    if (known) known.epoch = epoch;
    return before;
  }

  /** Streams of which a heartbeat knows more than this client was sent. */
  behind(heartbeat) {
    const late = [];
    for (const [stream, seq] of Object.entries(heartbeat.seq ?? {})) {
      const known = this.#streams.get(stream);
      if (known && seq > known.seq) {
        late.push(stream);
        known.seq = seq;
      }
    }
    return late;
  }

  drop(stream) {
    this.#streams.delete(stream);
  }

  /** What `since` says of these streams when a connection is made anew. A number without its epoch is no position. */
  since(streams) {
    const known = streams.map((stream) => [stream, this.#streams.get(stream)]);
    const sound = known.filter(([, position]) => position && (position.epoch !== null || position.seq === 0));
    return Object.fromEntries(sound.map(([stream, position]) => [stream, { ...position }]));
  }
}
