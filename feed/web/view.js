// What is looked at, as the address says it: #feed=sim&symbols=AAPL,BTC/USDT&tab=chart&chart=AAPL. Sharing it shares the view.

export const MAX_SYMBOLS = 200;
export const TABS = Object.freeze(["prices", "chart", "operator"]);
const SYMBOL = /^[A-Za-z0-9._/:^-]{1,64}$/;

export function validSymbol(text) {
  return SYMBOL.test(text);
}

/**
 * `symbols` is null where the address doesn't name any: the page then picks some. Bad names are left out. `chart` is
 * the symbol charted, null for the first.
 */
export function readView(hash, feeds) {
  const wanted = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const feed = feeds.includes(wanted.get("feed")) ? wanted.get("feed") : (feeds[0] ?? "");
  const named = wanted.get("symbols");
  const symbols = named === null ? null : [...new Set(named.split(",").filter(validSymbol))].slice(0, MAX_SYMBOLS);
  const tab = TABS.includes(wanted.get("tab")) ? wanted.get("tab") : TABS[0];
  const chart = validSymbol(wanted.get("chart") ?? "") ? wanted.get("chart") : null;
  return { feed, symbols, tab, chart };
}

/** The first tab needs no name, nor does a chart that nobody looks at. */
export function writeView({ feed, symbols = null, tab = TABS[0], chart = null }) {
  const parts = [`feed=${encodeURIComponent(feed)}`];
  if (symbols !== null) parts.push(`symbols=${symbols.map(written).join(",")}`);
  if (tab !== TABS[0]) parts.push(`tab=${tab}`);
  if (tab === "chart" && chart !== null) parts.push(`chart=${written(chart)}`);
  return `#${parts.join("&")}`;
}

/** A slash and a colon may stand in a fragment as they are, and read better so. */
function written(symbol) {
  return encodeURIComponent(symbol).replaceAll("%2F", "/").replaceAll("%3A", ":");
}
