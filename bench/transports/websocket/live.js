/* WebSocket in a page: connect once, and be sent messages. */

const RETRY_MS = 1000;

export const lines = `\
const socket = new WebSocket(url.replace("http", "ws"));
socket.onmessage = ({ data }) => {
  const news = JSON.parse(data);
  (news.ticks ?? [news]).forEach(show); };`;

export const note = "A message is an update, or a batch of them. A closed socket stays closed: a client that lasts " +
  "keeps the cursor, waits, and opens another one with it.";

export const controls = [];

export function connect(feed) {
  let socket, timer, leaving = false;

  function open() {
    feed.asked();
    socket = new WebSocket(feed.address().replace("http", "ws"));
    socket.onmessage = ({ data }) => feed.took(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (leaving) return;
      const [error, resume] = reason.split(" ");  // such as "left-tape 9f2c:57"
      if (error) feed.refused({ error, resume });
      else feed.broke(`the socket was closed with ${code}`);
      timer = setTimeout(open, RETRY_MS);
    };
  }

  open();
  return { close() { leaving = true; clearTimeout(timer); socket.close(); } };
}
