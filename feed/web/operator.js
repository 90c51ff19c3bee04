// The operator's tab: the service's own numbers, for who runs it.

export class Operator {
  /** `section` is the tab's own, empty; `headers()` gives REST headers of whoever is signed in. */
  constructor(section, { headers }) {
    Object.assign(this, { section, headers });
  }

  /** The tab is shown: begins to ask. */
  open() {}

  /** The tab is hidden, or its reader may not see it any more: asks no longer. */
  close() {}
}
