// The order of the rows: as they were added, or by a column. Pure.

/** What a column is ordered by; null where a row has nothing there yet. */
const BY = Object.freeze({
  symbol: (row) => row.symbol,
  last: (row) => row.price,
  change: (row) => (row.opened === null ? null : row.change / row.opened),
  spread: (row) => (row.spread === null ? null : row.spread / row.quote.ap),
  rate: (row) => row.measured.trades + row.measured.quotes,
  delay: (row) => row.measured.delay?.p50 ?? null,
  age: (row) => (row.heardAt === null ? null : -row.heardAt),
});

/** Names read from A on; of numbers the large ones are looked for. */
export function firstDirection(column) {
  return column === "symbol" ? "ascending" : "descending";
}

/** After the third press of a column rows are as they were added. */
export function pressed(sort, column) {
  const first = firstDirection(column);
  if (sort?.column !== column) return { column, direction: first };
  if (sort.direction !== first) return null;
  return { column, direction: first === "ascending" ? "descending" : "ascending" };
}

/** Symbols of the rows in order. `sort` null leaves them as they come; rows without a value are last either way. */
export function ordered(rows, sort) {
  const list = [...rows];
  if (sort === null) return list.map((row) => row.symbol);
  const sign = sort.direction === "ascending" ? 1 : -1;
  const keyed = list.map((row) => ({ symbol: row.symbol, key: BY[sort.column](row) }));
  const compared = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null);
    return sign * compared(a.key, b.key);
  });
  return keyed.map(({ symbol }) => symbol);
}
