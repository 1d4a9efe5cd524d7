/* Long polling in a page: ask, and be answered when there is news. */

const RETRY_MS = 1000;

export const lines = () => `\
for (let ask = url; ;) {
  const { cursor, ticks } = await (await fetch(ask)).json();
  ask = \`\${url}?after=\${cursor}\`; ticks.forEach(show);
}`;

export const note = "An error ends this loop: a client that lasts catches it, waits, and asks again from the cursor.";

export const controls = [];

export function connect(feed) {
  const leaving = new AbortController();

  async function ask() {
    feed.asked();
    try {
      const answer = await fetch(feed.address(), { signal: leaving.signal, cache: "no-store" });
      const body = await answer.json();
      if (answer.ok) return feed.took(body);
      feed.refused(body);
    } catch (error) {
      if (leaving.signal.aborted) return;
      feed.broke(error);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  (async () => { while (!leaving.signal.aborted) await ask(); })();
  return { send: (body) => feed.post(body), close() { leaving.abort(); } };
}
