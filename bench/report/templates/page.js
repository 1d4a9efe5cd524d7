"use strict";
// Makes each table sortable: a heading becomes a button that orders the rows by its column, up and then down.
// Numbers come first, as numbers, in the unit after them (ms, s, min, h; k, M); a percentile before one
// (`p90: 12 ms`) is no part of it. "lost" is larger than all of them, and a dash comes last either way.
const UNITS = {ms: 1, s: 1e3, min: 6e4, h: 36e5, k: 1e3, M: 1e6};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "\u2195";
    button.setAttribute("aria-label", `Sort by ${head.textContent || "name"}`);
    head.append(" ", button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row.cells[column].textContent), row]);
      rows.sort(([one], [other]) => order(one, other, down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function key(text) {
  const bare = text.replace(/[\u2060\u202f,]/g, "").replace(/\u2212/g, "-").trim();
  if (bare === "" || bare === "\u2013") return null;
  if (bare === "lost") return Infinity;
  const found = /^(?:p\d+: )?[^\d-]{0,6}(-?\d+(?:\.\d+)?)(?: (ms|s|min|h|k|M)\b)?/.exec(bare);
  return found ? Number(found[1]) * (UNITS[found[2]] ?? 1) : bare;
}

function order(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return sign * (typeof one === "number" ? (one > other) - (one < other) : one.localeCompare(other));
}
