/* Server-Sent Events in a page: ask once, and be sent events by a response that does not end. */

const RETRY_MS = 1000;

export const lines = () => `\
const source = new EventSource(url);
source.onmessage = ({ data }) => {
  const news = JSON.parse(data);
  (news.ticks ?? [news]).forEach(show); };`;

export const note = "A message is an update, or a batch of them. EventSource comes back by itself, and names the last id that " +
  "it got: nothing is lost. After an HTTP error it gives up, and a page has to make another one.";

export const controls = [];

export function connect(feed) {
  let source, timer;

  function open() {
    source = new EventSource(feed.address());
    source.onopen = () => feed.asked();          // a page does not see the attempts that fail
    source.onmessage = ({ data }) => feed.took(JSON.parse(data));
    source.addEventListener("refusal", ({ data }) => feed.refused(JSON.parse(data)));
    source.onerror = () => {
      feed.broke("the stream has ended");
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MS);
    };
  }

  open();
  return { send: (body) => feed.post(body), close() { clearTimeout(timer); source.close(); } };
}
