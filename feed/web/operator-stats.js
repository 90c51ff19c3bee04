// Fresh, complete, delivered: the same lights as on the overview dashboard, with its limits, and what to do.

import { age, delay, price, rate } from "./format.js";
import { quantile, sum } from "./operator-numbers.js";

const RATE_S = 10; // a rate that people look at moves within seconds
const HOP = "feed_hop_delay_seconds";

export const HOPS = ["venue_to_ingest", "ingest_to_publish", "publish_to_gateway", "gateway_to_socket"];
export const WHOLE = "publish_to_socket";
export const ECHO = "client_echo";
export const QUANTILES = [[0.5, "p50"], [0.99, "p99"], [0.999, "p99.9"]];

/** The samples that are looked at. */
export const NAMES = [
  `${HOP}_bucket`, "feed_hop_clock_offset_seconds", "feed_bus_feed_live", "feed_bus_silent_symbols",
  "feed_bus_workers", "feed_ingest_last_tick_age_seconds", "feed_gateway_messages_out_total",
  "feed_gateway_missing_ticks_total", "feed_gateway_gaps_total", "feed_publish_dropped_total",
  "feed_gateway_resumes_total", "feed_gateway_ticks_in_total", "feed_gateway_connections",
  "feed_gateway_connections_limit", "feed_gateway_slow_clients_total", "feed_auth_attempts_total",
  "feed_gateway_handshakes_total", "feed_gateway_refusals_total", "feed_gateway_ready", "feed_ingest_connected",
];

/** Buckets of a hop over the last minute. */
export function hop(looks, name) {
  return looks.buckets(HOP, (labels) => labels.hop === name);
}

export function spread(looks, name) {
  return looks.spread(HOP, (labels) => labels.hop === name);
}

const rising = (red, yellow = red) => ({ red, yellow, rises: true });
const falling = (red, yellow = red) => ({ red, yellow, rises: false });
const worthALook = (yellow) => ({ red: null, yellow, rises: true });

/** How a value stands: good, warn or bad; plain where there is no limit, none where there is no value. */
export function tone(limits, value) {
  if (value === null) return "none";
  if (limits === null) return "plain";
  const { red, yellow, rises } = limits;
  if (red !== null && (rises ? value >= red : value < red)) return "bad";
  return (rises ? value >= yellow : value < yellow) ? "warn" : "good";
}

const count = (value) => price(value, 0);
const seconds = (value) => delay(value * 1e6);
const perSecond = (value) => `${rate(value)}/s`;

/** A share in per cent, never rounded up: 100 % is said of nothing that is less. */
export function share(value) {
  return `${(Math.floor(value * 1e5) / 1e3).toFixed(3)} %`;
}

/** One value under a title; null where nobody tells it. */
const one = (value) => [{ label: "", value }];
const each = (levels) => levels.map(({ labels, value }) => ({ label: labels.feed, value }));
const most = (levels) => (levels.length === 0 ? null : Math.max(...levels.map(({ value }) => value)));
const total = (levels) => (levels.length === 0 ? null : sum(levels.map(({ value }) => value)));

/** A counter's rise in the last minute; null while no process is there that would tell it. */
function rose(looks, name, told, where) {
  return looks.levels(told).length === 0 ? null : looks.rise(name, where);
}

function roseBy(looks, name, label, told) {
  const all = rose(looks, name, told);
  const by = [...looks.riseBy(name, label)].map(([word, value]) => ({ label: word, value }));
  return by.length === 0 ? one(all) : by;
}

// what one client missed that was away for too long is its own doing, and its own word
const missing = (looks) => rose(looks, "feed_gateway_missing_ticks_total", GATEWAY, ({ cause }) => cause !== "history");

function completeness(looks) {
  const out = rose(looks, "feed_gateway_messages_out_total", "feed_gateway_messages_out_total");
  const due = out === null ? 0 : out + missing(looks);
  return due === 0 ? null : out / due;
}

function refusals(looks) {
  const of = (name, where) => (looks.levels(GATEWAY).length === 0 ? null : looks.rate(name, where, RATE_S));
  return [
    { label: "credentials", value: of("feed_auth_attempts_total", ({ result }) => result === "refused") },
    { label: "handshakes", value: of("feed_gateway_handshakes_total", ({ result }) => result !== "accepted") },
    { label: "requests", value: of("feed_gateway_refusals_total") },
  ];
}

function connections(looks) {
  const told = looks.levels(GATEWAY).length > 0 ? 0 : null;
  const open = total(looks.levels("feed_gateway_connections")) ?? told;
  const limit = total(looks.levels("feed_gateway_connections_limit"));
  return [
    { label: "open", value: open },
    { label: OF_LIMIT, value: open === null || !limit ? null : open / limit, text: (value) => share(value) },
  ];
}

function offsets(looks) {
  const of = (where) => most(looks.levels("feed_hop_clock_offset_seconds", where));
  return [
    { label: "ours", value: of(({ hop: name }) => name !== "venue_to_ingest" && name !== ECHO) },
    { label: "venue", value: of(({ hop: name }) => name === "venue_to_ingest") },
  ];
}

const OF_LIMIT = "of the limit";
const GATEWAY = "feed_gateway_ready";
const INGEST = "feed_ingest_connected";
const LIVE = { text: (value) => (value >= 1 ? "live" : "stale") };

/** Rows of lights: title, limits as on the dashboard (`apart` those of single values), how a value is written, what to
 * do when it is not green. */
export const ROWS = [
  {
    title: "Fresh",
    asks: "Do prices arrive?",
    stats: [
      {
        title: "Feeds live", limits: falling(1), ...LIVE,
        of: (looks) => each(looks.levels("feed_bus_feed_live")),
        act: "No worker hears this feed’s venue. See whether its workers run and are connected; a feed that nobody publishes any more belongs out of gateway.feeds.",
      },
      {
        title: "Silent symbols", limits: rising(1), text: count,
        of: (looks) => one(total(looks.levels("feed_bus_silent_symbols"))),
        act: "No worker hears these symbols of a feed that is live. See which worker’s connection is down; if none is, the venue is mute about them.",
      },
      {
        title: "Newest tick", limits: rising(30, 5), text: (value) => age(value * 1000),
        of: (looks) => one(most(looks.levels("feed_ingest_last_tick_age_seconds"))),
        act: "A market that is closed is quiet; one that is open is not heard. Compare with Feeds live.",
      },
      {
        title: "Workers", limits: falling(1), text: count,
        of: (looks) => each(looks.levels("feed_bus_workers")),
        act: "Nothing of this feed can arrive: start a worker.",
      },
      {
        title: "Venue to ingest, p99", limits: rising(1, 0.5), text: seconds,
        of: (looks) => one(quantile(0.99, hop(looks, "venue_to_ingest"))),
        act: "If Clock offset is up, it is the clock. Else the way to the venue, or a worker that is out of CPU.",
      },
      {
        title: "Clock offset", limits: rising(0.01), apart: { venue: rising(2, 1) }, text: seconds, of: offsets,
        act: "Delays are wrong by as much. See the time service (chrony, ntp) of the machine that runs behind, or it is the venue’s clock.",
      },
    ],
  },
  {
    title: "Complete",
    asks: "Does each tick arrive?",
    stats: [
      {
        title: "Completeness", limits: falling(0.99856, 0.9999), text: share,
        of: (looks) => one(completeness(looks)),
        act: "Clients were told that ticks are missing. Gaps says of which cause.",
      },
      {
        title: "Gaps", limits: rising(1), apart: { history: worthALook(1) }, text: count,
        of: (looks) => roseBy(looks, "feed_gateway_gaps_total", "cause", GATEWAY),
        act: "venue, ingest: see the workers’ log. bus: Redis lost entries, or trimmed them too early. history: clients came back after more than the log holds (history.seconds).",
      },
      {
        title: "Missing ticks", limits: rising(1), text: count,
        of: (looks) => one(missing(looks)),
        act: "Ticks that clients were told are missing, once for each client, but for those who were away for too long. feed trace follows one stream, and shows who is behind.",
      },
      {
        title: "Dropped by ingest", limits: rising(1), text: count,
        of: (looks) => one(rose(looks, "feed_publish_dropped_total", INGEST)),
        act: "Redis was away for longer than a worker can hold ticks: bring it back, and see publish.buffer_bytes and buffer_s.",
      },
      {
        title: "Resumes lost", limits: worthALook(1), text: count,
        of: (looks) => one(rose(looks, "feed_gateway_resumes_total", GATEWAY, ({ how }) => how === "lost")),
        act: "One is a laptop that slept. Many at once: Redis lost its logs, or history.seconds is too short.",
      },
    ],
  },
  {
    title: "Delivered",
    asks: "Do clients get them, and how fast?",
    stats: [
      {
        title: "Publish to socket, p99", limits: rising(0.1, 0.05), text: seconds,
        of: (looks) => one(quantile(0.99, hop(looks, WHOLE))),
        act: "See below which hop it is. publish to gateway: Redis, or a gateway that does not come to read; gateway to socket: more gateways, or gateway.workers.",
      },
      {
        title: "Deliveries", limits: null, text: perSecond,
        of: (looks) => one(looks.rate("feed_gateway_messages_out_total", undefined, RATE_S)),
        act: "",
      },
      {
        title: "Ticks in", limits: null, text: perSecond,
        of: (looks) => one(looks.rate("feed_gateway_ticks_in_total", undefined, RATE_S)),
        act: "",
      },
      {
        title: "Connections", limits: null, apart: { [OF_LIMIT]: rising(0.8, 0.6) }, text: count, of: connections,
        act: "New clients will get 503: start another gateway, or raise gateway.max_connections if there is CPU and memory.",
      },
      {
        title: "Slow clients", limits: rising(5, 1), text: count,
        of: (looks) => roseBy(looks, "feed_gateway_slow_clients_total", "what", GATEWAY),
        act: "One is its own line. Many at once is our side: see the hops below. feed trace names who is slow.",
      },
      {
        title: "Refusals", limits: rising(1, 0.1), apart: { requests: worthALook(0.1) }, text: perSecond, of: refusals,
        act: "credentials: a key that ended, or somebody who tries keys out: auth_refused in the log says who. handshakes: too many from one address, or a gateway that is full.",
      },
    ],
  },
];

const WORSE = ["none", "plain", "good", "warn", "bad"];

/** A stat as it stands: its parts with their text and tone, and the worst of these. */
export function stand(stat, looks) {
  const parts = stat.of(looks).map((part) => {
    const limits = stat.apart?.[part.label] ?? stat.limits;
    const text = part.value === null ? "–" : (part.text ?? stat.text)(part.value);
    return { label: part.label, text, tone: tone(limits, part.value) };
  });
  const tones = parts.map((part) => part.tone);
  const worst = WORSE.findLast((name) => tones.includes(name)) ?? "none";
  return { title: stat.title, parts, tone: worst, act: ["bad", "warn"].includes(worst) ? stat.act : "" };
}

/** Quantiles of each hop in the order of the way, in seconds; null where nothing was counted. */
export function waterfall(looks) {
  return [...HOPS, WHOLE, ECHO].map((name) => {
    const buckets = hop(looks, name);
    return { name, quantiles: QUANTILES.map(([part]) => quantile(part, buckets)) };
  });
}
