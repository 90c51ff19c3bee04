// What happens to the connection, where nobody can miss it: lost, back again, and what that cost.

import { flag, put } from "./cell.js";

const SHOWN_MS = 8_000;
const SHOWN_LOSS_MS = 20_000;

/** What to say at a moment, or null. `said` is what the last absence cost, as Comeback tells it. Pure. */
export function announced(link, said, busLost, nowMs) {
  if (link.name === "waiting") return { tone: "warn", text: "The connection is lost. These prices stand still until it is back; what is missed meanwhile is asked for." };
  if (link.name === "live" && busLost) return { tone: "bad", text: "The gateway has lost the bus: these prices may be old." };
  if (link.name !== "live" || said === null) return null;
  const shownMs = said.tone === "good" ? SHOWN_MS : SHOWN_LOSS_MS;
  return nowMs - said.backAt < shownMs ? said : null;
}

export class Banner {
  #cell;
  #dismissed = "";

  constructor(cell) {
    this.#cell = cell;
    cell.dismiss.addEventListener("click", () => {
      this.#dismissed = cell.news.textContent;
      cell.banner.hidden = true;
    });
  }

  show(news) {
    const { banner, news: text } = this.#cell;
    const hidden = news === null || news.text === this.#dismissed;
    if (news === null) this.#dismissed = "";
    if (!hidden) {
      flag(banner, "tone", news.tone);
      put(text, news.text);
    }
    if (banner.hidden !== hidden) banner.hidden = hidden;
  }
}
