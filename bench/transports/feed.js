/* One client's account of what it gets, which a transport's module reports to.

   transport's module ──asked, took, refused, broke──► Feed ──► cursor, counts, latencies, steps of its age
                                                        └─────► Head: what any client of the page has got

   The feed numbers its ticks (`seq`), so each tick that a client does not get is seen: it was skipped and
   declared, it was lost, or it is still to come (behind). A batch is `{cursor, more, ticks}`, a bare tick a tick's
   own line, as docs/contract.md has it. */

export const WINDOW_MS = 30_000;
const LATENCIES = 1000;

/* All ticks that any client of the page has got: what an ideal client would have. */
export class Head {
  epoch = undefined;
  seq = -1;
  dues = [];                                     // due instants in ms, in the order of the feed

  begin(epoch, seq) {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.seq = seq;
    this.dues = [];
  }

  took(tick, nowMs) {
    if (tick.seq <= this.seq) return;
    this.seq = tick.seq;
    if (tick.due_ms === undefined) return;
    this.dues.push(tick.due_ms);
    while (this.dues.length && this.dues[1] < nowMs - WINDOW_MS) this.dues.shift();
  }
}

export class Feed {
  constructor(head, now) {
    this.head = head;
    this.now = now;                              // returns the instant on the feed's clock, in ms
    this.port = undefined;
    this.epoch = undefined;
    this.seq = undefined;                        // everything up to here was received, or is known to be missing
    this.steps = [];                             // [instant, newest due]: the age falls there
    this.outage = undefined;
    this.reason = "connecting";                  // why nothing comes; empty while connected
    this.last = undefined;                       // the last tick
    this.heard = () => {};                       // called with each tick that is new
    this.reset();
  }

  reset() {
    Object.assign(this, { updates: 0, messages: 0, requests: 0, lost: 0, skipped: 0, refusals: 0, latencies: [] });
  }

  address() {
    const after = this.seq === undefined ? "" : `?after=${this.epoch}:${this.seq}`;
    return `http://127.0.0.1:${this.port}/ticks${after}`;
  }

  /* Send a message by a request of its own, beside one that waits; returns the answer. */
  async post(body) {
    const answer = await fetch(`http://127.0.0.1:${this.port}/messages`, { method: "POST", body });
    return answer.json();
  }

  asked() {
    this.requests += 1;
  }

  broke(error) {
    this.reason = error instanceof Error ? error.message : error;
  }

  /* A refusal names the word and, where there is one, the cursor to continue from. */
  refused({ error, resume }) {
    this.refusals += 1;
    this.reason = `refused: ${error}`;
    if (resume) this.continueFrom(resume);
    else if (error === "bad-cursor") this.seq = undefined;
  }

  continueFrom(cursor) {
    const [epoch, text] = cursor.split(":");
    const seq = Number(text);
    if (epoch === this.epoch && this.seq !== undefined) this.lost += Math.max(0, seq - this.seq);
    this.head.begin(epoch, seq);
    this.epoch = epoch;
    this.seq = seq;
  }

  /* A message: a batch, or a bare tick. Returns whether there is more to ask for at once. */
  took(news) {
    const nowMs = this.now();
    const isBatch = news.cursor !== undefined;
    const ticks = (isBatch ? news.ticks : [news]).map(tickOf);
    const [epoch, text] = isBatch ? news.cursor.split(":") : [this.epoch, ticks[0].seq];
    const cursor = Number(text);
    this.messages += 1;
    this.reason = "";
    if (this.seq === undefined || epoch !== this.epoch) {
      this.head.begin(epoch, cursor - ticks.length);
      this.epoch = epoch;
      this.seq = ticks.length ? ticks[0].seq - 1 : cursor;
    }
    const fresh = ticks.filter((tick) => tick.seq > this.seq);
    const skipped = counted(news.conflated) + counted(news.dropped);
    this.skipped += skipped;
    this.lost += Math.max(0, cursor - this.seq - fresh.length - skipped);
    this.seq = Math.max(this.seq, cursor);
    for (const tick of fresh) this.tookTick(tick, nowMs);
    this.step(fresh, nowMs);
    this.lookAtOutage(nowMs);
    return news.more === true;
  }

  tookTick(tick, nowMs) {
    this.updates += 1;
    this.last = tick;
    this.heard(tick);
    this.head.took(tick, nowMs);
    if (tick.due_ms === undefined) return;
    this.latencies.push(nowMs - tick.due_ms);
    if (this.latencies.length > LATENCIES) this.latencies.shift();
    if (this.outage && tick.due_ms < this.outage.endMs) this.outage.late += 1;
  }

  step(ticks, nowMs) {
    const due = Math.max(...ticks.map((tick) => tick.due_ms ?? -Infinity), this.steps.at(-1)?.[1] ?? -Infinity);
    if (ticks.length && Number.isFinite(due)) this.steps.push([nowMs, due]);
    while (this.steps.length > 1 && this.steps[1][0] < nowMs - WINDOW_MS) this.steps.shift();
  }

  ageMs(nowMs) {
    return this.steps.length ? nowMs - this.steps.at(-1)[1] : NaN;
  }

  behind() {
    return this.seq === undefined ? 0 : Math.max(0, this.head.seq - this.seq);
  }

  /* A cut begins now; `tookTick` counts what comes late because of it. */
  cut(lengthMs) {
    const nowMs = this.now();
    this.outage = { beginMs: nowMs, endMs: nowMs + lengthMs, late: 0, lostBefore: this.lost, healedMs: undefined };
  }

  /* It has healed once the client has come back and has all that others have got by then. */
  lookAtOutage(nowMs) {
    const outage = this.outage;
    if (!outage || outage.healedMs !== undefined || nowMs < outage.endMs || this.behind() > 0) return;
    outage.healedMs = nowMs;
    outage.lost = this.lost - outage.lostBefore;
  }
}

/* A tick in either encoding of the feed; the compact one names no due instant. */
function tickOf(tick) {
  if (Array.isArray(tick)) return { index: tick[0], seq: tick[1], price: tick[2], symbol: tick[4] };
  const { index, seq, price, symbol, text } = tick;
  return { index, seq, price, symbol, text, due_ms: tick.due_ns / 1e6 };
}

function counted(bySymbol) {
  return bySymbol ? Object.values(bySymbol).reduce((sum, count) => sum + count, 0) : 0;
}

/* The quantile `share` of numbers, by linear interpolation; NaN without any. */
export function quantile(numbers, share) {
  if (!numbers.length) return NaN;
  const sorted = Float64Array.from(numbers).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
