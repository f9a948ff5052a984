// An item's parts on the stage: each kind as people look at it or listen to it.

import { make, said } from "./dom.js";
import { differences } from "./difference.js";
import { kindOf } from "./contents.js";
import { showPicture } from "./picture.js";
import { showSound } from "./sound.js";
import { rowsOf, showTable } from "./table.js";

const CODE = /^text\/(x-|csv$|javascript$)|[/+](json|sql)$/;
const TABLE = "text/csv";
const LINES_NUMBERED_MAX = 5000;

/** The parts of an item, and beside them those of an earlier one that it resembles; `actions` are what keys do. */
export const showParts = (item, parts, compared) => {
  const actions = {};
  const shown = item.parts.map((part, at) => showOne(part, at, parts[at], actions, item.parts.length === 1));
  const pair = comparable(item, parts);
  const own = make("div", { class: compared ? "parts pair" : "parts" }, shown);
  if (!item.beside) {
    if (pair) actions.difference = () => toggleDifference(own, shown, pair);
    return { stage: own, actions };
  }
  const count = item.parts.length;
  const earlier = item.beside.parts.map((part, at) => showOne(part, count + at, parts[count + at], actions, item.beside.parts.length === 1, "the earlier item"));
  const stage = make("div", { class: "beside" },
    make("section", { "aria-labelledby": "this-item" }, make("h2", { id: "this-item" }, "This item"), own),
    make("section", { "aria-labelledby": "earlier-item" },
      make("h2", { id: "earlier-item" }, "It resembles the earlier item ", make("code", {}, item.beside.id.slice(0, 12))),
      earlier.length ? make("div", { class: "parts" }, earlier) : make("p", { class: "empty" }, "Its author did not serve it, so there is nothing to compare.")));
  const texts = [[...item.beside.parts, ...item.parts], [...parts.slice(count), ...parts.slice(0, count)]];
  const both = comparable({ parts: texts[0] }, texts[1]);
  if (both && earlier.length) actions.difference = () => toggleDifference(stage, [...earlier, ...shown], both);
  return { stage, actions };
};

const showOne = ([name, medium, size], at, content, actions, isAlone, of = "") => {
  const id = `part-${at}`;
  const body = content === null ? missing() : showPart(name, medium, size, content, actions);
  return make(
    "section",
    { class: `part ${kindOf(medium)}`, "aria-labelledby": isAlone || of ? null : id, "aria-label": of ? `${name} of ${of}` : isAlone ? name : null },
    isAlone ? null : make("h2", { id }, said(name)),
    body,
  );
};

const missing = () => make("p", { class: "empty" }, "This part cannot be had now. It is tried again when you come back to it.");

const showPart = (name, medium, size, content, actions) => {
  switch (kindOf(medium)) {
    case "picture":
      return showPicture(content, name, actions);
    case "sound":
      return showSound(content, name, actions);
    case "text":
      return showText(name, content, medium);
    default:
      return make("p", {}, make("a", { href: content, download: "item.bin" }, `Save the file (${size.toLocaleString("en")} bytes)`));
  }
};

const showText = (name, { text, language }, medium) => {
  const turns = medium.endsWith("json") ? conversation(text) : null;
  if (turns) return showTurns(turns);
  if (!CODE.test(medium)) return make("p", { class: "prose", dir: "auto", lang: language || null }, text);
  const rows = medium === TABLE ? rowsOf(text) : null;
  if (rows) return showTable(name, rows);
  const lines = text.split("\n");
  if (lines.length > LINES_NUMBERED_MAX) return make("pre", { class: "code", tabindex: 0 }, text);
  return make("pre", { class: "code numbered", tabindex: 0, dir: "ltr" }, lines.map((line) => make("span", {}, `${line}\n`)));
};

/** The turns of a conversation: a list of { role, content }, or an object whose `messages` are one. */
const conversation = (text) => {
  try {
    const value = JSON.parse(text);
    const turns = Array.isArray(value) ? value : value.messages;
    const isTurn = (turn) => typeof turn?.role === "string" && typeof turn?.content === "string";
    return Array.isArray(turns) && turns.length && turns.every(isTurn) ? turns : null;
  } catch {
    return null; // it is shown as it is
  }
};

const showTurns = (turns) =>
  make("ol", { class: "turns" }, turns.map(({ role, content }) =>
    make("li", { class: role === "user" ? "asks" : "" }, make("p", { class: "role" }, said(role)), make("p", { class: "prose", dir: "auto" }, content))));

// ---- differences ----

/** Two texts of an item that can be held against each other: the last two, if they are of one kind. */
const comparable = (item, parts) => {
  const texts = item.parts.flatMap(([name, medium], at) => (kindOf(medium) === "text" && parts[at] !== null ? [{ name, medium, text: parts[at].text, ends: parts[at].ends, at }] : []));
  const [before, after] = texts.slice(-2);
  return after && before.medium === after.medium ? [before, after] : null;
};

const toggleDifference = (stage, shown, [before, after]) => {
  const there = stage.querySelector(".difference");
  for (const { at } of [before, after]) shown[at].hidden = !there;
  if (there) there.remove();
  else stage.append(showDifference(before, after));
};

// What is not shown, since it would be on every line.
const ENDS = { windows: "those of Windows", mixed: "of two kinds", others: "those of other systems" };

const MARKS = { "+": "added", "-": "removed", " ": "same" };

const showDifference = (before, after) =>
  make(
    "section",
    { class: "part difference", "aria-label": "Difference" },
    make("h2", {}, said(before.name), " → ", said(after.name)),
    before.ends === after.ends ? null : make("p", {}, `The line ends differ: ${ENDS[before.ends]} → ${ENDS[after.ends]}.`),
    make("pre", { class: "code", tabindex: 0, dir: "auto" }, differences(before.text, after.text).map(([mark, line]) =>
      make("span", { class: MARKS[mark] }, make("span", { class: "mark" }, mark), line, "\n"))),
  );
