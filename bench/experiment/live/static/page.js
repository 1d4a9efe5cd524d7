/* The live page: one client of each subject on one feed, with its account beside it. */

import { Chat } from "./chat.js";
import { draw, scale, worst } from "./chart.js";
import { Clock } from "./clock.js";
import { Feed, Head, quantile } from "/feed.js";

const SHOWN_MS = 250;
const COUNTED_MS = 1000;
const BRACKETS = 8;

const clock = new Clock();
const head = new Head();
const cards = [];
const find = (id) => document.getElementById(id);
let tab;

/* --- the site --- */

async function ask(path, method = "GET") {
  const response = await fetch(path, { method });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

/* Read the counts of the relays, and the feed's clock with them. */
async function count() {
  const before = performance.now();
  const { now_ms: serverMs, relays } = await ask(`/tabs/${tab}`);
  clock.exchanged(before, serverMs, performance.now());
  relays.forEach((relay, n) => { cards[n].relay = relay; });
}

async function keepCounting() {
  try {
    await count();
    setTimeout(keepCounting, COUNTED_MS);
  } catch (error) {
    say(`The server of this page does not answer (${error.message}). Load the page again once it runs.`);
    setTimeout(keepCounting, 5 * COUNTED_MS);
  }
}

/* --- one card --- */

class Card {
  constructor(subject, number, port) {
    this.subject = subject;
    this.number = number;
    this.options = { ...subject.options };
    this.feed = new Feed(head, () => clock.nowMs());
    this.feed.port = port;
    this.relay = { bytes_up: 0, bytes_down: 0, connections: 0, cut_s: 0 };
    this.base = this.relay;
    this.element = find("card").content.firstElementChild.cloneNode(true);
    this.part("name").textContent = subject.title;
    this.element.dataset.label = subject.label;
    this.element.style.setProperty("--colour", subject.colour);
    const heading = this.part("heading");
    heading.id = `heading-${number}`;
    this.element.setAttribute("aria-labelledby", heading.id);
    find("cards").append(this.element);
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  async begin() {
    this.module = await import(this.subject.module);
    this.part("lines").textContent = this.module.lines(this.options);
    this.part("note").textContent = this.module.note;
    this.part("module").href = this.subject.module;
    for (const control of this.module.controls) this.offerOption(control);
    if (this.subject.flushes_ms.length > 1) this.offerFlush(this.subject.flushes_ms);
    const length = this.part("length");
    this.part("cut").addEventListener("click", () => this.cut(Number(length.value)));
    this.client = this.module.connect(this.feed, this.options);
  }

  offerOption({ name, label, values }) {
    const all = [...new Set([...values, this.options[name]])].sort((one, other) => one - other);
    const select = this.offer(label, all.map((value) => [value, `${value} s`]), this.options[name]);
    select.dataset.option = name;
    select.addEventListener("change", () => {
      this.options[name] = Number(select.value);
      this.part("lines").textContent = this.module.lines(this.options);
      this.client.close();
      this.client = this.module.connect(this.feed, this.options);
      this.reset();
    });
  }

  offerFlush(flushes) {
    const values = flushes.map((ms, n) => [n, ms ? `every ${ms} ms` : "each update at once"]);
    const select = this.offer("Server sends", values, 0);
    select.dataset.option = "flush_ms";
    let chosen = select.value;
    select.addEventListener("change", async () => {
      const wanted = select.value;
      try {
        await ask(`/tabs/${tab}/${this.number}/server?n=${wanted}`, "POST");
        chosen = wanted;
        this.reset();
      } catch (error) {
        select.value = chosen;
        complain(error);
      }
    });
  }

  offer(text, values, chosen) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    for (const [value, name] of values) select.add(new Option(name, value, false, value === chosen));
    label.append(`${text} `, select);
    this.part("controls").append(label);
    return select;
  }

  /* Cut its connection for a time; returns whether that worked. */
  async cut(seconds) {
    this.feed.cut(1000 * seconds);
    this.announced = false;
    try {
      await ask(`/tabs/${tab}/${this.number}/cut?s=${seconds}`, "POST");
    } catch (error) {
      this.feed.outage = undefined;
      complain(error);
      return false;
    }
    say(`${this.subject.title}: cut for ${seconds} s.`);
    return true;
  }

  reset() {
    this.feed.reset();
    this.base = this.relay;
  }

  show(nowMs, endMs) {
    const { feed, relay, base } = this;
    const put = (name, text) => { this.part(name).textContent = text; };
    put("tick", feed.last ? `${feed.last.symbol} ${feed.last.text ?? feed.last.price}` : "no update yet");
    put("seq", feed.last ? `#${feed.last.seq}` : "");
    put("age", time(feed.ageMs(nowMs)));
    put("latency", time(quantile(feed.latencies, 0.5)));
    put("latency99", time(quantile(feed.latencies, 0.99)));
    put("updates", feed.updates.toLocaleString("en"));
    put("messages", per(feed.messages, feed.updates));
    put("requests", per(feed.requests, feed.updates));
    put("down", per(relay.bytes_down - base.bytes_down, feed.updates, 0));
    put("up", per(relay.bytes_up - base.bytes_up, feed.updates, 0));
    put("connections", String(relay.connections - base.connections));
    put("lost", feed.lost.toLocaleString("en"));
    put("skipped", feed.skipped.toLocaleString("en"));
    put("behind", feed.behind().toLocaleString("en"));
    this.showState(nowMs);
    const canvas = this.part("chart");
    draw(canvas, feed.steps, head.dues, nowMs, endMs, this.subject.colour);
  }

  showState(nowMs) {
    const { feed } = this;
    const outage = feed.outage;
    const left = outage ? outage.endMs - nowMs : 0;
    const state = left > 0 ? "cut" : feed.reason ? "waiting" : "connected";
    this.element.dataset.state = state;
    this.part("state").textContent = left > 0 ? `cut, ${Math.ceil(left / 1000)} s left` :
      feed.reason ? `not connected: ${feed.reason}` : "connected";
    if (outage?.healedMs !== undefined && !this.announced) {
      this.announced = true;
      const text = `cut for ${time(outage.endMs - outage.beginMs)}, complete again ` +
        `${time(outage.healedMs - outage.endMs)} after it: ${plural(outage.late)} came late, ` +
        `${outage.lost ? plural(outage.lost) : "none"} lost.`;
      this.part("outage").textContent = text[0].toUpperCase() + text.slice(1);
      say(`${this.subject.title}: ${text}`);
    }
  }

  describe(nowMs) {
    this.part("chart").setAttribute("aria-label",
      `Age of the newest update, last 30 s: now ${time(this.feed.ageMs(nowMs))}, ` +
      `at most ${time(worst(this.feed.steps, nowMs))}`);
  }
}

/* --- texts --- */

function time(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  return `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`;
}

function per(count, updates, digits = 2) {
  return updates ? (count / updates).toFixed(digits) : "–";
}

function plural(count) {
  return `${count.toLocaleString("en")} update${count === 1 ? "" : "s"}`;
}

function say(text) {
  find("status").textContent = text;
}

function complain(error) {
  say(`That did not work: ${error.message}`);
}

/* --- the page --- */

function show() {
  const nowMs = clock.nowMs();
  const endMs = scale(Math.max(...cards.map((card) => worst(card.feed.steps, nowMs))));
  for (const card of cards) card.show(nowMs, endMs);
}

async function begin() {
  const live = await ask("/live.json");
  find("feed").textContent = live.feed;
  for (const note of live.notes) {
    const item = document.createElement("li");
    item.textContent = note;
    find("notes").append(item);
  }
  const { tab: own, ports } = await ask("/tabs", "POST");
  tab = own;
  live.subjects.forEach((subject, n) => cards.push(new Card(subject, n, ports[n])));
  for (let n = 0; n < BRACKETS; n += 1) await count();
  await Promise.all(cards.map((card) => card.begin()));
  if (live.rooms.length && cards.length) new Chat(find("chat"), cards, live.rooms, { say, time });
  find("cut-all").addEventListener("click", async () => {
    const seconds = Number(find("length-all").value);
    const worked = await Promise.all(cards.map((card) => card.cut(seconds)));
    if (worked.every(Boolean)) say(`All clients: cut for ${seconds} s.`);
  });
  find("anew").addEventListener("click", () => {
    for (const card of cards) card.reset();
    say("Counts begin anew.");
  });
  setTimeout(keepCounting, COUNTED_MS);
  setInterval(show, SHOWN_MS);
  setInterval(() => { for (const card of cards) card.describe(clock.nowMs()); }, 5000);
  say(cards.length ? "All clients have started." : "No server of this scenario has a client for this page.");
}

begin().catch((error) => say(`The page could not start: ${error.message}`));
