// What the operator's tab is made of: a verdict, rows of lights, the hops, the processes.

import { cells, draw, flag, put } from "./cell.js";
import { delay } from "./format.js";
import { QUANTILES, ROWS } from "./operator-stats.js";

const COLUMNS = ["Process", "State", "Role", "Version", "Connections", "Heard"];
const STATE = 1;
const NUMBERS = 4; // the columns from here on are

/** An element with attributes and children; text is only ever text. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Builds all of it below `section` and returns its cells. */
export function build(section) {
  section.replaceChildren(
    make("div", { class: "op-verdict", "data-cell": "verdict", "data-tone": "none" },
      make("p", { role: "status", "data-cell": "sentence" }, "Asking all processes …"),
      make("small", { "data-cell": "asked" })),
    ...ROWS.map((row, at) => make("section", { class: "op-row", "aria-labelledby": `op-row-${at}` },
      make("h2", { id: `op-row-${at}` }, row.title, " ", make("small", {}, row.asks)),
      make("div", { class: "op-stats", "data-cell": `row${at}` }, ...row.stats.map(tile)))),
    make("div", { class: "op-below" },
      make("section", { class: "card op-hops", "aria-labelledby": "op-hops" },
        make("h2", { id: "op-hops" }, "Where the time goes"),
        make("div", { class: "op-waterfall", "data-cell": "hops" }, ...QUANTILES.map(([, word]) => fall(word))),
        make("p", { class: "note", "data-cell": "hopsNote" })),
      make("section", { class: "card op-heat", "aria-labelledby": "op-heat" },
        make("h2", { id: "op-heat" }, "Publish to socket, last minute"),
        make("canvas", { "data-cell": "heat", role: "img", "aria-label": "no deliveries yet" }),
        make("p", { class: "note", "data-cell": "heatNote" }))),
    make("section", { class: "card op-processes", "aria-labelledby": "op-processes" },
      make("h2", { id: "op-processes" }, "Processes"),
      make("div", { class: "op-scroll", tabindex: "0", role: "region", "aria-labelledby": "op-processes" },
        make("div", { class: "op-table", role: "table", "aria-labelledby": "op-processes" },
          make("div", { role: "rowgroup" }, make("div", { role: "row" }, ...COLUMNS.map((head, at) =>
            make("span", { role: "columnheader", ...(at >= NUMBERS ? { class: "num" } : {}) }, head)))),
          make("div", { role: "rowgroup", "data-cell": "processes" })))),
  );
  return cells(section);
}

function tile(stat) {
  return make("div", { class: "op-stat", "data-tone": "none" },
    make("h3", {}, stat.title), make("div", { class: "op-parts" }), make("p", { class: "op-act", hidden: "" }));
}

/** Shows how a row's stats stand. */
export function showRow(row, standing) {
  standing.forEach((stat, at) => {
    const [, parts, act] = row.children[at].children;
    flag(row.children[at], "tone", stat.tone);
    while (parts.childElementCount < stat.parts.length) parts.append(make("p", {}, make("b"), make("small")));
    while (parts.childElementCount > Math.max(1, stat.parts.length)) parts.lastElementChild.remove();
    flag(parts, "many", stat.parts.length > 1 ? "yes" : "no");
    stat.parts.forEach((part, number) => {
      const [value, label] = parts.children[number].children;
      flag(parts.children[number], "tone", part.tone);
      put(value, part.text);
      put(label, part.label);
    });
    if (stat.parts.length === 0) nothing(parts);
    put(act, stat.act);
    act.hidden = stat.act === "";
  });
}

function nothing(parts) {
  if (parts.childElementCount === 0) parts.append(make("p", {}, make("b"), make("small")));
  const [value, label] = parts.firstElementChild.children;
  flag(parts.firstElementChild, "tone", "none");
  put(value, "–");
  put(label, "");
}

/** One sentence for all: what needs somebody, what is worth a look, or that all is well. */
export function verdict(standing, processes) {
  const titles = (tone) => standing.filter((stat) => stat.tone === tone).map((stat) => stat.title);
  const [bad, warn] = [titles("bad"), titles("warn")];
  const waiting = processes.filter(({ ready }) => !ready).length;
  if (waiting > 0) warn.push(`${waiting} of ${processes.length} processes not ready`);
  if (bad.length > 0) return { tone: "bad", text: `Needs somebody: ${bad.join(", ")}` };
  if (warn.length > 0) return { tone: "warn", text: `Worth a look: ${warn.join(", ")}` };
  if (standing.every((stat) => stat.tone === "none")) return { tone: "none", text: "Nothing is told yet" };
  return { tone: "good", text: "Fresh, complete, delivered" };
}

function fall(word) {
  return make("div", { class: "op-fall" }, make("h3", {}, word), make("dl"));
}

const label = (name) => name.replaceAll("_", " ");

/** One cascade for each quantile: each hop's bar begins where the one before it ended. */
export function showHops(page, hops) {
  const way = hops.slice(0, -2);
  const [whole, echo] = hops.slice(-2);
  QUANTILES.forEach((_, at) => {
    const list = page.hops.children[at].lastElementChild;
    const lengths = way.map(({ quantiles }) => Math.max(0, quantiles[at] ?? 0));
    const all = lengths.reduce((one, other) => one + other, 0);
    let begins = 0;
    way.forEach(({ name, quantiles }, number) => {
      if (list.childElementCount <= number) list.append(hopRow(label(name), number));
      const [, bar, value] = list.children[number].children;
      draw(bar, "--from", all > 0 ? String(begins / all) : "0");
      draw(bar, "--length", all > 0 ? String(lengths[number] / all) : "0");
      put(value, shown(quantiles[at]));
      begins += lengths[number];
    });
  });
  const each = QUANTILES.map(([, word], at) => `${word} ${shown(whole.quantiles[at])}`).join(", ");
  const trip = echo.quantiles[0] === null ? "" : ` A client’s echo and back: p50 ${shown(echo.quantiles[0])}.`;
  put(page.hopsNote, `Publish to socket, as clients wait for it: ${each}.${trip} Quantiles of hops do not add up exactly.`);
}

function hopRow(name, number) {
  return make("div", {}, make("dt", {}, name), make("dd", { class: `op-bar hop${number}` }), make("dd", { class: "num" }));
}

export function shown(value) {
  return value === null ? "–" : delay(value * 1e6);
}

/** The processes in the order in which they are told. */
export function showProcesses(body, processes) {
  while (body.childElementCount < processes.length) {
    body.append(make("div", { role: "row" }, ...COLUMNS.map((_, at) => make("span", {
      role: at === 0 ? "rowheader" : "cell", class: at === STATE ? "op-state" : at >= NUMBERS ? "num" : "",
    }))));
  }
  while (body.childElementCount > processes.length) body.lastElementChild.remove();
  processes.forEach((process, at) => {
    const row = body.children[at];
    const state = process.ready ? "ready" : process.not_ready || "not ready";
    const words = [process.name || "this gateway", state, process.role, process.version,
      process.role.startsWith("ingest") ? "" : String(process.connections), `${process.age_s.toFixed(1)} s ago`];
    flag(row, "tone", process.ready ? "good" : "bad");
    words.forEach((text, column) => put(row.children[column], text));
  });
}
