// What the page asks a gateway by HTTP: symbols, recent history, and whether its reader is an operator.

const HISTORY_LIMIT = 1000;

/** JSON of a path. Throws an Error whose `cause` is the status where it is refused, and fetch's own where nobody answers. */
async function asked(path, headers) {
  const answer = await fetch(path, { headers: { Accept: "application/json", ...headers }, redirect: "error" });
  if (!answer.ok) throw new Error(`status ${answer.status}`, { cause: answer.status });
  return answer.json();
}

export async function symbolsOf(feed, headers) {
  return (await asked(`/v2/${feed}/symbols`, headers)).symbols;
}

/** The last entries of a stream's log, oldest first, gaps among them. */
export function historyOf(feed, stream, headers) {
  return asked(`/v2/${feed}/history?stream=${encodeURIComponent(stream)}&limit=${HISTORY_LIMIT}`, headers);
}

/** A gateway that does not answer has no operators: it says so to everyone, whatever they present. */
export async function isOperator(headers) {
  return (await asked("/operator", headers)).operator === true;
}
