// The live page: ties the connection, what is known and what is shown together.

import { aboutAccess, kindOf, reason, restHeaders, stillGood } from "./access.js";
import { cells } from "./cell.js";
import { Connection } from "./connection.js";
import { Clock, parseMicros } from "./measure.js";
import { Picker } from "./picker.js";
import { SignIn } from "./signin.js";
import { Board } from "./state.js";
import { Summary } from "./summary.js";
import { Table } from "./table.js";
import { MAX_SYMBOLS, readView, writeView } from "./view.js";

const FIRST_SYMBOLS = 8;
const MEASURES_MS = 250;
const SYMBOLS_RETRY_MS = 2000;

const page = cells(document);
const feeds = document.querySelector("meta[name=feeds]").content.split(",").filter((feed) => /^[a-z0-9_-]+$/.test(feed));
const clock = new Clock();
const summary = new Summary(document);
const table = new Table({ body: page.rows, template: page.template, empty: page.empty, onRemove: toggle });
const picker = new Picker({
  input: page.search,
  list: page.options,
  chosen: (symbol) => view.symbols.includes(symbol),
  onToggle: toggle,
  onOpen: loadSymbols,
});

let view = { feed: "", symbols: [] };
let board = new Board();
let connection = null;
let link = { name: "connecting" };
let heardAt = null;
let measuredAt = 0;
let listing = 0;
// Nowhere but here: what is stored, or stands in an address, is found again by others.
let credentials = null;
let barred = false;
const signin = new SignIn(page, entered);

function nowUs() {
  return clock.micros(Date.now(), performance.now());
}

/** Begins anew with a feed. `symbols` null means the first few that the feed has. */
function start(feed, symbols) {
  connection?.close();
  barred = false;
  board = new Board();
  heardAt = null;
  view = { feed, symbols: symbols ?? [] };
  page.feed.value = feed;
  table.clear();
  summary.restart();
  picker.symbols = [];
  connection = connect(feed);
  show(view.symbols, symbols !== null);
  connection.open();
  loadSymbols(symbols === null);
}

function connect(feed) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new Connection({
    url: `${scheme}//${location.host}/v2/${feed}`,
    credentials,
    since: (streams) => board.positions.since(streams),
    on: {
      state: linked,
      sent: nowUs,
      denied: (kind, symbols) => board.deny(kind, symbols, Date.now()),
      renewed: () => {
        signin.close();
        board.log("good", "The new token counts from now on: nothing missed", Date.now());
      },
      pong: (sentUs, { t }) => board.skew.add(sentUs, parseMicros(t), nowUs()),
      frame: (messages, bytes) => {
        heardAt = Date.now();
        board.frame(messages, bytes, heardAt, nowUs());
        if (messages[0]?.T === "notice" && messages[0].code === "expiring") expiring();
      },
    },
  });
}

function linked(state) {
  link = { ...state, retryAtMs: Date.now() + (state.delay ?? 0) };
  const { name, code, reason } = state;
  const why = `${code}${reason ? ` ${reason}` : ""}`;
  if (name === "live") {
    board.log("good", `Connected to ${view.feed}`, Date.now());
    letIn(true);
    signin.close();
  }
  if (name === "waiting") board.log("warn", `Connection lost (${why}): reconnecting in ${(state.delay / 1000).toFixed(1)} s`, Date.now());
  if (name === "stopped") board.log("bad", `The gateway closed the connection for good (${why})`, Date.now());
  if (aboutAccess(state)) turnedAway(state);
}

/** Shows prices, or hides them from who may not have them, or not any more. */
function letIn(may) {
  document.body.dataset.locked = may ? "no" : "yes";
  page.leave.hidden = credentials === null;
}

function turnedAway(state) {
  const held = kindOf(credentials);
  link.again = held === "" || stillGood(state);
  const why = reason(state, held, view.feed);
  if (!stillGood(state)) credentials = null;
  barred = true;
  letIn(false);
  signin.ask(why);
}

function expiring() {
  if (kindOf(credentials) === "token") signin.renew("The token that you signed in with ends soon. Give a new one, and nothing is missed.");
}

function entered(given, renewing) {
  credentials = given;
  if (renewing) connection.renew(given);
  else start(view.feed, view.symbols.length > 0 ? view.symbols : readView(location.hash, feeds).symbols);
}

function signOut() {
  credentials = null;
  start(view.feed, readView(location.hash, feeds).symbols);
}

function show(symbols, named = true) {
  view = { ...view, symbols };
  if (named) history.replaceState(null, "", writeView(view));
  board.show(symbols);
  table.show(symbols);
  connection.want(symbols);
  measuredAt = 0;
}

function toggle(symbol) {
  if (view.symbols.includes(symbol)) show(view.symbols.filter((shown) => shown !== symbol));
  else if (view.symbols.length < MAX_SYMBOLS) show([...view.symbols, symbol]);
  else board.log("warn", `The page shows at most ${MAX_SYMBOLS} symbols`, Date.now());
}

/** Asks for the feed's symbols; until there are any to begin with, again and again. */
async function loadSymbols(choose = false) {
  const mine = ++listing;
  const { feed } = view;
  const symbols = await symbolsOf(feed).catch((error) => unread(feed, error));
  if (feed !== view.feed || barred) return;
  picker.symbols = symbols;
  if (!choose || view.symbols.length > 0) return;
  if (symbols.length > 0) show(symbols.slice(0, FIRST_SYMBOLS), false);
  else if (mine === listing) setTimeout(() => mine === listing && loadSymbols(true), SYMBOLS_RETRY_MS);
}

function unread(feed, error) {
  if (feed !== view.feed || barred) return [];
  if (error.cause === 401 && credentials === null) {
    // The connection may have a session cookie; with no symbol to ask for, it would not learn that it lacks one.
    connection.probe();
  } else if (![401, 403].includes(error.cause)) {
    // Of credentials that are not good the connection knows better why.
    board.log("bad", `The symbols of ${feed} could not be read: ${error.message}`, Date.now());
  }
  return [];
}

async function symbolsOf(feed) {
  const headers = { Accept: "application/json", ...restHeaders(credentials) };
  const answer = await fetch(`/v2/${feed}/symbols`, { headers, redirect: "error" });
  if (!answer.ok) throw new Error(`status ${answer.status}`, { cause: answer.status });
  return (await answer.json()).symbols;
}

function render() {
  requestAnimationFrame(render);
  const now = Date.now();
  table.prices(board);
  if (now - measuredAt < MEASURES_MS) return;
  measuredAt = now;
  table.measures(board, now);
  summary.state(link, board, now);
  summary.totals(board, now, heardAt);
  summary.hops(board, now);
  summary.log(board);
}

function fromAddress() {
  const { feed, symbols } = readView(location.hash, feeds);
  if (feed !== view.feed || connection === null) start(feed, symbols);
  else if (symbols !== null) show(symbols);
}

for (const feed of feeds) page.feed.add(new Option(feed, feed));
page.feed.addEventListener("change", () => {
  history.replaceState(null, "", writeView({ feed: page.feed.value, symbols: [] }).split("&")[0]);
  start(page.feed.value, null);
});
page.retry.addEventListener("click", () => {
  barred = false;
  connection.open();
  loadSymbols(view.symbols.length === 0);
});
page.leave.addEventListener("click", signOut);
page.share.addEventListener("click", async () => {
  history.replaceState(null, "", writeView(view));
  await navigator.clipboard.writeText(location.href);
  board.log("info", "The address of this view is on the clipboard", Date.now());
});
addEventListener("hashchange", fromAddress);
addEventListener("online", () => link.name === "waiting" && connection.open());
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  page.search.focus();
});

fromAddress();
render();
