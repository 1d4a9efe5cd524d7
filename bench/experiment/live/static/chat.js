/* The chat box: a message written once, sent by each transport's own way or by one, and its round trip over each.

   written ──client.send──► server ──► publisher ──► tick ──► feed of each client on the page
      │                       │                                   │ index, instant
      └ sending instant       └ answer: the message's index ──────┴──► round trip: arrival − sending, on one clock

   Sent by each one's own way it is a message for each transport, and each client waits for its own; sent by one it is
   one message, and all wait for it. The answer may come after the message itself, so arrivals are kept for a while.

   What happened to a message is told when it is known, unless a newer message's outcome has been told.

   Known weakness: a client that loses its connection before the answer can't know whether its message was taken. */

const KEPT = 500;
const SHOWN = 5;

/* The arrivals at one client: instants by the index of a message, and who waits for one. */
class Arrivals {
  instants = new Map();
  waiting = new Map();

  came(index, ms) {
    this.instants.set(index, ms);
    if (this.instants.size > KEPT) this.instants.delete(this.instants.keys().next().value);
    this.waiting.get(index)?.(ms);
    this.waiting.delete(index);
  }

  at(index) {
    if (this.instants.has(index)) return Promise.resolve(this.instants.get(index));
    return new Promise((resolve) => this.waiting.set(index, resolve));
  }
}

export class Chat {
  /* `cards` have a subject, a feed and a client; `say` tells a reader what happened, `time` makes a text of ms. */
  constructor(section, cards, rooms, { say, time }) {
    Object.assign(this, { section, cards, say, time, written: 0, told: 0, author: Math.floor(Math.random() * 2 ** 32) });
    this.form = section.querySelector("form");
    const { room, way, text } = this.form.elements;
    for (const name of rooms) room.add(new Option(name, name));
    this.senders = [...cards.keys()].filter((n) => cards[n].client.send);
    for (const n of this.senders) way.add(new Option(`by ${cards[n].subject.title} alone`, String(n)));
    this.arrivals = cards.map(() => new Arrivals());
    cards.forEach(({ feed }, n) => { feed.heard = ({ index }) => this.arrivals[n].came(index, performance.now()); });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(text.value.trim(), room.value, way.value === "" ? undefined : Number(way.value));
      text.value = "";
    });
    section.hidden = false;
  }

  async send(text, room, way) {
    const number = this.written += 1;
    const cells = this.row(text, way === undefined ? room : `${room}, by ${this.cards[way].subject.title} alone`);
    const body = JSON.stringify({ author: this.author, symbol: room, price: 1, size: 1, text });
    const trips = way === undefined ? this.senders.map((n) => this.trip(n, [n], body, cells)) :
      [this.trip(way, this.cards.keys(), body, cells)];
    const ends = (await Promise.all(trips)).flat();
    const took = ends.filter(({ ms }) => ms !== undefined);
    took.sort((one, other) => one.ms - other.ms);
    if (number < this.told) return;
    this.told = number;
    const all = took.map(({ n, ms }) => `${this.cards[n].subject.title} ${this.time(ms)}`).join(", ");
    const none = ends.every(({ refused }) => refused) ? "was not accepted" : "has no answer";
    this.say(`\u201c${text}\u201d ${all ? `came back: ${all}` : none}.`);
  }

  /* Send a message over the client `n`, and show when it comes to those of `to`; returns how long each took. */
  async trip(n, to, body, cells) {
    const begun = performance.now();
    let answer;
    try {
      answer = await this.cards[n].client.send(body);
    } catch (error) {
      answer = { lost: error.message };
    }
    return Promise.all([...to].map(async (each) => {
      if (answer.accepted === undefined) {
        const refused = answer.error !== undefined;
        cells[each].textContent = refused ? `refused: ${answer.error}` : `no answer: ${answer.lost}`;
        return { n: each, refused };
      }
      const ms = await this.arrivals[each].at(answer.accepted) - begun;
      this.show(cells, each, ms);
      return { n: each, ms };
    }));
  }

  show(cells, n, ms) {
    cells[n].textContent = this.time(ms);
    cells[n].ms = ms;
    const most = Math.max(...cells.map((cell) => cell.ms ?? 0));
    for (const cell of cells) cell.parentElement.style.setProperty("--share", (cell.ms ?? 0) / most);
  }

  /* Add a row for a message, the newest first; returns a cell for each client. */
  row(text, where) {
    const item = this.section.querySelector("template").content.firstElementChild.cloneNode(true);
    item.querySelector("[data-part=text]").textContent = text;
    item.querySelector("[data-part=where]").textContent = where;
    const list = item.querySelector("dl");
    const cells = this.cards.map(({ subject }) => {
      const pair = document.createElement("div");
      const name = document.createElement("dt");
      const cell = document.createElement("dd");
      name.textContent = subject.title;
      cell.textContent = "under way";
      pair.style.setProperty("--colour", subject.colour);
      pair.dataset.label = subject.label;
      pair.append(name, cell);
      list.append(pair);
      return cell;
    });
    const rows = this.section.querySelector("ol");
    rows.prepend(item);
    while (rows.childElementCount > SHOWN) rows.lastElementChild.remove();
    return cells;
  }
}
