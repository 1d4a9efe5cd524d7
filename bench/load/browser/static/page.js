/* A measured client in a page: the transport's own client, whose every call to its feed is noted with its instant.

   begin ─► connect(feed) ─► asked, took, refused, broke ─► [kind, instant, detail] ─► handOver, again and again ─► end

   The instant is that at which the page's code has the update, by the page's clock, in ms. A timer notes when the page
   gets its turn, so that one that was held up shows. */

import { Feed, Head } from "/feed.js";

const TURN_MS = 10;

class NotedFeed extends Feed {
  constructor(port, query, offsetMs) {
    super(new Head(), () => performance.now() + offsetMs);
    this.port = port;
    this.query = query;
    this.events = [];
    this.ticks = 0;
  }

  note(kind, detail) {
    this.events.push([kind, performance.now(), detail]);
  }

  address() {
    const address = super.address();
    return this.query ? `${address}${address.includes("?") ? "&" : "?"}${this.query}` : address;
  }

  asked(plannedMs = null) {
    this.note("asked", plannedMs);
    super.asked();
  }

  took(news) {
    this.note("took", news);
    this.ticks += news.cursor === undefined ? 1 : news.ticks.length;
    return super.took(news);
  }

  refused(refusal) {
    this.note("refused", refusal.error);
    super.refused(refusal);
  }

  broke(error) {
    this.note("broke", String(error));
    super.broke(error);
  }
}

let feed, client;
let turns = [];
const problems = [];

function turn() {
  turns.push(performance.now());
  setTimeout(turn, TURN_MS);
}

async function begin({ port, query, options, offset_ms: offsetMs }) {
  const { connect } = await import("/client.js");
  feed = new NotedFeed(port, query, offsetMs);
  client = connect(feed, options);
  turn();
}

/* Return what was noted since the last time, as text. The instant is read first: it is a bracket's middle. */
function handOver() {
  const now = performance.now();
  const events = feed ? feed.events.splice(0) : [];
  const noted = turns;
  turns = [];
  return JSON.stringify({ now, events, turns: noted, ticks: feed?.ticks ?? 0, problems: problems.splice(0) });
}

function end() {
  client.close();
}

addEventListener("error", ({ message }) => problems.push(message));
addEventListener("unhandledrejection", ({ reason }) => problems.push(String(reason)));
globalThis.tickertape = { begin, handOver, end, isolated: crossOriginIsolated };
