// An item's parts on the stage: each kind as people look at it or listen to it.

import { make, said } from "./dom.js";
import { differences } from "./difference.js";
import { kindOf } from "./contents.js";
import { showPicture } from "./picture.js";
import { showSound } from "./sound.js";

const CODE = new Set(["text/x-python", "application/json", "text/csv"]);
const LINES_NUMBERED_MAX = 5000;

/** The parts of an item; `of` gives what the keys of pictures and sounds do, by name. */
export const showParts = (item, parts, compared) => {
  const actions = {};
  const shown = item.parts.map(([name, medium, size], at) => {
    const body = parts[at] === null ? missing() : showPart(name, medium, size, parts[at], actions);
    const id = `part-${at}`;
    const isAlone = item.parts.length === 1;
    return make(
      "section",
      { class: `part ${kindOf(medium)}`, "aria-labelledby": isAlone ? null : id, "aria-label": isAlone ? name : null },
      isAlone ? null : make("h2", { id }, said(name)),
      body,
    );
  });
  const pair = comparable(item, parts);
  if (pair) actions.difference = () => toggleDifference(stage, shown, pair, item);
  const stage = make("div", { class: compared ? "parts pair" : "parts" }, shown);
  return { stage, actions };
};

const missing = () => make("p", { class: "empty" }, "This part cannot be had now. It is tried again when you come back to it.");

const showPart = (name, medium, size, content, actions) => {
  switch (kindOf(medium)) {
    case "picture":
      return showPicture(content, name, actions);
    case "sound":
      return showSound(content, name, actions);
    case "text":
      return showText(content, medium);
    default:
      return make("p", {}, make("a", { href: content, download: "item.bin" }, `Save the file (${size.toLocaleString("en")} bytes)`));
  }
};

const showText = (text, medium) => {
  if (medium === "application/json") {
    const turns = conversation(text);
    if (turns) return showTurns(turns);
  }
  if (!CODE.has(medium)) return make("p", { class: "prose", dir: "auto" }, text);
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
  const texts = item.parts.flatMap(([name, medium], at) => (kindOf(medium) === "text" && parts[at] !== null ? [{ name, medium, text: parts[at], at }] : []));
  const [before, after] = texts.slice(-2);
  return after && before.medium === after.medium ? [before, after] : null;
};

const toggleDifference = (stage, shown, [before, after]) => {
  const there = stage.querySelector(".difference");
  for (const { at } of [before, after]) shown[at].hidden = !there;
  if (there) there.remove();
  else stage.append(showDifference(before, after));
};

const MARKS = { "+": "added", "-": "removed", " ": "same" };

const showDifference = (before, after) =>
  make(
    "section",
    { class: "part difference", "aria-label": "Difference" },
    make("h2", {}, said(before.name), " → ", said(after.name)),
    make("pre", { class: "code", tabindex: 0, dir: "auto" }, differences(before.text, after.text).map(([mark, line]) =>
      make("span", { class: MARKS[mark] }, make("span", { class: "mark" }, mark), line, "\n"))),
  );
