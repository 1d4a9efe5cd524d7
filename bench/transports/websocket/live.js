/* WebSocket in a page: connect once, and be sent messages. */

const RETRY_MS = 1000;

export const lines = () => `\
const socket = new WebSocket(url.replace("http", "ws"));
socket.onmessage = ({ data }) => {
  const news = JSON.parse(data);
  (news.ticks ?? [news]).forEach(show); };`;

export const note = "A message is an update, or a batch of them. A closed socket stays closed: a client that lasts " +
  "keeps the cursor, waits, and opens another one with it.";

export const controls = [];

export function connect(feed) {
  let socket, timer, leaving = false;
  const waiting = [];                            // for the answers to messages, which come in their order

  function open() {
    feed.asked();
    socket = new WebSocket(feed.address().replace("http", "ws"));
    socket.onmessage = ({ data }) => {
      const news = JSON.parse(data);
      if ("accepted" in news || "error" in news) waiting.shift().answered(news);
      else feed.took(news);
    };
    socket.onclose = ({ code, reason }) => {
      for (const { lost } of waiting.splice(0)) lost(new Error("the socket was closed before the answer"));
      if (leaving) return;
      const [error, resume] = reason.split(" ");  // such as "left-tape 9f2c:57"
      if (error) feed.refused({ error, resume });
      else feed.broke(`the socket was closed with ${code}`);
      timer = setTimeout(open, RETRY_MS);
    };
  }

  /* Send a message on the open socket; returns the answer. */
  function send(body) {
    if (socket.readyState !== WebSocket.OPEN) throw new Error("the socket is not open");
    socket.send(body);
    return new Promise((answered, lost) => waiting.push({ answered, lost }));
  }

  open();
  return { send, close() { leaving = true; clearTimeout(timer); socket.close(); } };
}
