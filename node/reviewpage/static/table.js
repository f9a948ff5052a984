// A table as rows and columns. What was accepted as CSV has commas, and quotation marks where they are due.

import { make } from "./dom.js";

const CELLS_MAX = 20_000; // what is larger takes a browser seconds to lay out; it is shown as its lines
const CHARS_MAX = 200_000; // beyond, a text is cut
const FIELD = /("(?:[^"]|"")*"|[^",\n]*)(,|\n|$)/y;

/** The rows of a table, all as long as the first; null of what is too large, or was cut. */
export const rowsOf = (text) => {
  if (text.length > CHARS_MAX) return null;
  const rows = [];
  let row = [];
  let cells = 0;
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length) {
    const found = FIELD.exec(text);
    if (!found || (cells += 1) > CELLS_MAX) return null;
    const [, field, end] = found;
    row.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  if (row.length) rows.push([...row, ""]); // a comma at the very end
  return rows.length && rows.every(({ length }) => length === rows[0].length) ? rows : null;
};

/** The first row names columns as a rule; where it does not, it is still there to read. */
export const showTable = (name, [head, ...rows]) =>
  make("div", { class: "table", tabindex: 0, role: "group", "aria-label": name },
    make("table", {},
      make("thead", {}, make("tr", {}, make("td", {}), head.map((cell) => make("th", { scope: "col", dir: "auto" }, cell)))),
      make("tbody", {}, rows.map((row, at) =>
        make("tr", {}, make("th", { scope: "row" }, String(at + 1)), row.map((cell) => make("td", { dir: "auto" }, cell)))))));
