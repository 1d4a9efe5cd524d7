/* Short polling in a page: ask on a schedule, be answered at once. */

export const lines = ({ interval_s: interval }) => `\
let ask = url;
setInterval(async () => {
  const { cursor, ticks } = await (await fetch(ask)).json();
  ask = \`\${url}?after=\${cursor}\`; ticks.forEach(show); }, ${1000 * interval});`;

export const note = "An error skips one poll; the next one continues from the cursor.";

/* What a reader may change: it is passed to `connect` again. */
export const controls = [{ name: "interval_s", label: "Poll every", values: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30] }];

export function connect(feed, { interval_s: interval }) {
  const leaving = new AbortController();
  let due = performance.now();
  let timer = setTimeout(poll);

  async function poll() {
    let more = false;
    feed.asked(due);                               // when it was to be sent
    try {
      // The browser's cache asks with If-None-Match where it has a response to this very address.
      const response = await fetch(feed.address(), { signal: leaving.signal });
      const body = await response.json();
      if (response.ok) more = feed.took(body);
      else feed.refused(body);
    } catch (error) {
      if (!leaving.signal.aborted) feed.broke(error);
    }
    if (leaving.signal.aborted) return;
    due = Math.max(due + 1000 * interval, performance.now());   // polls keep their instants
    timer = setTimeout(poll, more ? 0 : due - performance.now());
  }

  return { send: (body) => feed.post(body), close() { clearTimeout(timer); leaving.abort(); } };
}
