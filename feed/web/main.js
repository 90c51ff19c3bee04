// The live page: ties the connection, what is known and what is shown together.

import { aboutAccess } from "./access.js";
import { streamsOf } from "./asks.js";
import { Banner, announced } from "./banner.js";
import { cells } from "./cell.js";
import { Chart } from "./chart.js";
import { Connection } from "./connection.js";
import { inkChanged } from "./ink.js";
import { listenToKeys } from "./keys.js";
import { Lists } from "./lists.js";
import { Clock, parseMicros } from "./measure.js";
import { Operator } from "./operator.js";
import { Picker } from "./picker.js";
import { Reader } from "./reader.js";
import { historyOf, isOperator, symbolsOf } from "./rest.js";
import { Board } from "./state.js";
import { Summary, eventOf } from "./summary.js";
import { Table } from "./table.js";
import { Tabs } from "./tabs.js";
import { ThemeSwitch } from "./theme.js";
import { MAX_SYMBOLS, readView, writeView } from "./view.js";

const FIRST_SYMBOLS = 8;
const SUMMARY_MS = 250;
const SYMBOLS_RETRY_MS = 2000;

const page = cells(document);
const feeds = document.querySelector("meta[name=feeds]").content.split(",").filter((feed) => /^[a-z0-9_-]+$/.test(feed));
const clock = new Clock();
const summary = new Summary(document);
const banner = new Banner(page);
const table = new Table({
  head: page.head, body: page.rows, template: page.template, empty: page.empty, onRemove: toggle, onOpen: openChart,
});
const picker = new Picker({
  input: page.search, popup: page.popup, list: page.options, tally: page.tally, all: page.addAll, elsewhere: page.elsewhere,
  chosen: (symbol) => view.symbols.includes(symbol),
  room: () => MAX_SYMBOLS - view.symbols.length,
  onToggle: toggle,
  onAdd: (symbols) => show([...view.symbols, ...symbols].slice(0, MAX_SYMBOLS)),
  onGo: goTo,
  onOpen: () => {
    loadSymbols();
    loadOthers();
  },
});
const chart = new Chart(page, {
  history: (stream) => historyOf(view.feed, stream, reader.headers),
  onFault: (text) => board.log("bad", text, Date.now()),
});
const reader = new Reader(page, {
  onEnter: () => start(view.feed, view.symbols.length > 0 ? view.symbols : readView(location.hash, feeds).symbols),
  onRenew: () => connection.renew(reader.credentials),
  onShut: () => tabs.offer("operator", false),
});
const operator = new Operator(page.operator, { headers: () => reader.headers });
const lists = new Lists({ feeds, read: (feed) => symbolsOf(feed, reader.headers), onFault: unread });
const tabs = new Tabs(page.tabs, (tab, before) => {
  if (before === "operator") operator.close();
  if (tab === "operator") operator.open();
  view.tab = tab;
  chartWhatIsWanted();
  if (before !== null) writeAddress();
});
const theme = new ThemeSwitch(page.theme, () => {
  inkChanged();
  chart.renew();
});

let view = { feed: "", symbols: [], named: false, tab: "prices", chart: null };
let board = new Board();
let connection = null;
let link = { name: "connecting" };
let heardAt = null;
let summedAt = 0;
let listing = 0;
// Asked for by the address before it is known whether there is such a tab for this reader.
let hoped = null;

function nowUs() {
  return clock.micros(Date.now(), performance.now());
}

function writeAddress() {
  history.replaceState(null, "", writeView({ ...view, symbols: view.named ? view.symbols : null }));
}

/** Begins anew with a feed. `symbols` null means the first few that the feed has. */
function start(feed, symbols) {
  connection?.close();
  reader.barred = false;
  board = new Board();
  heardAt = null;
  view = { ...view, feed, symbols: symbols ?? [], named: symbols !== null };
  page.feed.value = feed;
  chart.close();
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
    credentials: reader.credentials,
    since: (streams) => board.positions.since(streams),
    watched: () => document.visibilityState === "visible",
    on: {
      state: linked,
      sent: nowUs,
      denied: (kind, symbols) => board.deny(kind, symbols, Date.now()),
      renewed: () => {
        reader.done();
        board.log("good", "The new token counts from now on: nothing missed", Date.now());
      },
      pong: (sentUs, { t }) => board.skew.add(sentUs, parseMicros(t), nowUs()),
      frame: (messages, bytes) => {
        heardAt = Date.now();
        board.frame(messages, bytes, heardAt, nowUs());
        chart.take(messages);
        if (messages[0]?.T === "notice" && messages[0].code === "expiring") reader.expiring();
      },
    },
  });
}

function linked(state) {
  const now = Date.now();
  link = { ...state, retryAtMs: now + (state.delay ?? 0) };
  const [level, text] = eventOf(state, view.feed);
  if (level) board.log(level, text, now);
  if (state.name === "waiting" || state.name === "stopped") board.comeback.lost(now);
  if (aboutAccess(state)) link.again = reader.turnedAway(state, view.feed);
  if (state.name !== "live") return;
  board.comeback.back(now);
  reader.letIn();
  offerOperator();
}

/** Whoever connects is asked for once: whether there is a tab for them is the gateway's to say. */
async function offerOperator() {
  const asking = connection;
  // Where nobody answers nobody is one; the connection tells of the gateway's troubles.
  const may = await isOperator(reader.headers).catch(() => false);
  if (asking !== connection || reader.barred) return;
  tabs.offer("operator", may);
  if (hoped !== null) tabs.choose(hoped);
  hoped = null;
}

function signOut() {
  reader.forget();
  start(view.feed, readView(location.hash, feeds).symbols);
}

async function copyLink() {
  view.named = true;
  writeAddress();
  await navigator.clipboard.writeText(location.href);
  board.log("info", "The address of this view is on the clipboard", Date.now());
}

/** Sets the symbols of the page. `named` where the reader chose them: then the address says so. */
function show(symbols, named = true) {
  view = { ...view, symbols, named: view.named || named };
  if (named) writeAddress();
  table.show(symbols);
  page.charted.replaceChildren(...symbols.map((symbol) => new Option(symbol, symbol)));
  chartWhatIsWanted();
  summedAt = 0;
}

/** Brings the chart and the streams asked for to what is looked at: one-second bars cost only while they are. */
function chartWhatIsWanted() {
  const { symbols, tab } = view;
  const charted = symbols.includes(view.chart) ? view.chart : (symbols[0] ?? null);
  const symbol = tab === "chart" ? charted : null;
  const also = symbol === null ? [] : [`bars1s:${symbol}`];
  board.show(symbols, also);
  connection?.want([...streamsOf(symbols), ...also]);
  if (symbol === null) chart.close();
  else if (chart.symbol !== symbol) chart.open(board.rows.get(symbol));
  if (charted !== null) page.charted.value = charted;
  page.plot.hidden = symbol === null;
}

function openChart(symbol) {
  view.chart = symbol;
  tabs.choose("chart", true);
}

function toggle(symbol) {
  const shown = view.symbols.includes(symbol);
  if (shown && view.tab === "chart" && view.chart !== symbol) view.chart = symbol;
  else if (shown) view.symbols = view.symbols.filter((each) => each !== symbol);
  else if (view.symbols.length < MAX_SYMBOLS) view = { ...view, symbols: [...view.symbols, symbol], chart: symbol };
  else board.log("warn", `The page shows at most ${MAX_SYMBOLS} symbols`, Date.now());
  show(view.symbols);
}

/** Goes to another feed, and its first symbols. */
function goTo(feed) {
  view = { ...view, feed, named: false, chart: null };
  writeAddress();
  start(feed, null);
}

/** Asks for the feed's symbols; until there are any to begin with, again and again. */
async function loadSymbols(choose = false) {
  const mine = ++listing;
  const { feed } = view;
  const symbols = await lists.of(feed);
  if (feed !== view.feed || reader.barred) return;
  picker.symbols = symbols;
  picker.others = lists.known(feed);
  if (!choose || view.symbols.length > 0) return;
  if (symbols.length > 0) show(withCharted(symbols.slice(0, FIRST_SYMBOLS)), false);
  else if (mine === listing) setTimeout(() => mine === listing && loadSymbols(true), SYMBOLS_RETRY_MS);
}

function unread(feed, error) {
  if (feed !== view.feed || reader.barred) return;
  if (error.cause === 401 && !reader.known) {
    // The connection may have a session cookie; with no symbol to ask for, it would not learn that it lacks one.
    connection.probe();
  } else if (![401, 403].includes(error.cause)) {
    // Of credentials that are not good the connection knows better why.
    board.log("bad", `The symbols of ${feed} could not be read: ${error.message}`, Date.now());
  }
}

/** What other feeds have, for who searches. Who signed in may not have them all, and is not made to try. */
async function loadOthers() {
  if (!reader.known) picker.others = await lists.besides(view.feed);
}

function render() {
  requestAnimationFrame(render);
  const now = Date.now();
  if (view.tab === "prices") table.frame(board, now);
  chart.frame(now);
  if (now - summedAt < SUMMARY_MS) return;
  summedAt = now;
  table.scale(board);
  summary.show(link, board, now, heardAt);
  banner.show(announced(link, board.comeback.said(), board.busLost, now));
}

/** A symbol that the address has charted is on the page. */
function withCharted(symbols) {
  return view.chart === null || symbols.includes(view.chart) ? symbols : [...symbols.slice(0, MAX_SYMBOLS - 1), view.chart];
}

function fromAddress() {
  const { feed, symbols, tab, chart: charted } = readView(location.hash, feeds);
  view.chart = charted;
  hoped = tab === "operator" ? tab : null;
  const wanted = symbols === null ? null : withCharted(symbols);
  if (feed !== view.feed || connection === null) start(feed, wanted);
  else if (wanted !== null) show(wanted);
  tabs.choose(tab);
  chartWhatIsWanted();
}

for (const feed of feeds) page.feed.add(new Option(feed, feed));
page.feed.addEventListener("change", () => goTo(page.feed.value));
page.charted.addEventListener("change", () => {
  view.chart = page.charted.value;
  chartWhatIsWanted();
  writeAddress();
});
page.retry.addEventListener("click", () => {
  reader.barred = false;
  connection.open();
  loadSymbols(view.symbols.length === 0);
});
page.leave.addEventListener("click", signOut);
page.share.addEventListener("click", copyLink);
addEventListener("hashchange", fromAddress);
addEventListener("online", () => link.name === "waiting" && connection.open());
listenToKeys({
  search: () => page.search.focus(),
  tab: (name) => tabs.choose(name, true),
  theme: () => theme.next(),
  help: page.keys,
});
page.help.addEventListener("click", () => page.keys.showModal());

tabs.choose("prices");
fromAddress();
render();
