// Which symbols each feed has, as far as the page has asked. Pure, but for what it is given to ask by.

export class Lists {
  #known = new Map();

  /** `read(feed)` promises a feed's symbols; `onFault(feed, error)` is told where there is no answer. */
  constructor({ feeds, read, onFault }) {
    Object.assign(this, { feeds, read, onFault });
  }

  /** A feed's symbols as they are now; none where there is no answer. */
  async of(feed) {
    const symbols = await this.read(feed).catch((error) => {
      this.onFault(feed, error);
      return [];
    });
    this.#known.set(feed, symbols);
    return symbols;
  }

  /** What the other feeds have; each is asked once. */
  async besides(feed) {
    for (const other of this.feeds) if (other !== feed && !this.#known.has(other)) await this.of(other);
    return this.known(feed);
  }

  /** What is known of the other feeds. */
  known(feed) {
    return new Map([...this.#known].filter(([other]) => other !== feed));
  }
}
