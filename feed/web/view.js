// What is looked at, as the address says it: #feed=sim&symbols=AAPL,BTC/USDT. Sharing the address shares the view.

export const MAX_SYMBOLS = 100;
const SYMBOL = /^[A-Za-z0-9._/:^-]{1,64}$/;

export function validSymbol(text) {
  return SYMBOL.test(text);
}

/** `symbols` is null where the address doesn't name any: the page then picks some. Bad names are left out. */
export function readView(hash, feeds) {
  const wanted = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const feed = feeds.includes(wanted.get("feed")) ? wanted.get("feed") : (feeds[0] ?? "");
  const named = wanted.get("symbols");
  if (named === null) return { feed, symbols: null };
  return { feed, symbols: [...new Set(named.split(",").filter(validSymbol))].slice(0, MAX_SYMBOLS) };
}

export function writeView({ feed, symbols }) {
  // A slash and a colon may stand in a fragment as they are, and read better so.
  const names = symbols.map((symbol) => encodeURIComponent(symbol).replaceAll("%2F", "/").replaceAll("%3A", ":"));
  return `#feed=${encodeURIComponent(feed)}&symbols=${names.join(",")}`;
}
