// What there is to answer: one of several names, yes or no to each, or those that fit. Made once for a round;
// `paint` shows what is said of another item.

import { change, make, said as words } from "./dom.js";
import { CHOICES_WITH_KEYS } from "./keys.js";

const FIND_FROM = 12; // names from which on a field helps to find one

/** `answer(said, isWhole)` is called with what a press means. Gives { element, paint, actions }. */
export const makeForm = (form, keys, answer) => ({ one: makeOne, each: makeEach, several: makeSeveral })[form.style](form, keys, answer);

const choiceButton = (name, at, keys, press) =>
  make("button", { type: "button", class: "choice", "aria-pressed": "false", onclick: press },
    make("span", {}, words(name)),
    at < CHOICES_WITH_KEYS ? make("kbd", { "aria-hidden": "true", dataset: { key: `choice${at}` } }, keys.shown(`choice${at}`)) : null);

const choiceActions = (count, run) =>
  Object.fromEntries(Array.from({ length: Math.min(count, CHOICES_WITH_KEYS) }, (_, at) => [`choice${at}`, () => run(at)]));

/** A field that leaves those of the buttons whose names hold what is typed. */
const finder = (names, buttons, pick) => {
  if (names.length < FIND_FROM) return { field: null, find: undefined };
  const fits = () => names.map((name, at) => (name.toLowerCase().includes(field.value.trim().toLowerCase()) ? at : -1)).filter((at) => at >= 0);
  const show = () => {
    const found = new Set(fits());
    buttons.forEach((button, at) => (button.hidden = !found.has(at)));
  };
  const field = make("input", { type: "search", class: "find", "aria-label": "Find an answer by its name", placeholder: "Find an answer", oninput: show });
  field.addEventListener("keydown", (event) => {
    const [first] = fits();
    if (event.key === "Enter" && field.value.trim() && first !== undefined) pick(first);
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    field.value = "";
    show();
    field.blur();
  });
  return { field, find: () => field.focus() };
};

const makeOne = ({ names }, keys, answer) => {
  const pick = (at) => answer(at, true);
  const buttons = names.map((name, at) => choiceButton(name, at, keys, () => pick(at)));
  const { field, find } = finder(names, buttons, pick);
  return {
    element: make("div", { class: "form" }, field, make("div", { class: names.length > 6 ? "choices many" : "choices", role: "group", "aria-label": "Your answer" }, buttons)),
    paint: ({ said }) => buttons.forEach((button, at) => change(button, "aria-pressed", String(at === said))),
    actions: { ...choiceActions(names.length, pick), find },
  };
};

const makeSeveral = ({ names }, keys, answer) => {
  let now = null;
  const toggle = (at) => {
    const next = names.map((_, place) => now?.[place] ?? 0);
    next[at] = 1 - next[at];
    now = next; // keys may be faster than the screen
    answer(next, false);
  };
  const noneFits = () => answer(names.map(() => 0), true);
  const none = make("button", { type: "button", class: "choice none", "aria-pressed": "false", onclick: noneFits },
    make("span", {}, "None of them fits"), make("kbd", { "aria-hidden": "true", dataset: { key: "none" } }, keys.shown("none")));
  const buttons = names.map((name, at) => choiceButton(name, at, keys, () => toggle(at)));
  const { field, find } = finder(names, buttons, toggle);
  return {
    element: make("div", { class: "form" }, field, make("div", { class: "choices many", role: "group", "aria-label": "Those that fit" }, buttons, none)),
    paint: ({ said }) => {
      now = said;
      buttons.forEach((button, at) => change(button, "aria-pressed", String(said?.[at] === 1)));
      change(none, "aria-pressed", String(Boolean(said) && !said.includes(1)));
    },
    actions: { ...choiceActions(names.length, toggle), none: noneFits, find },
  };
};

const WORDS = ["Yes", "No"]; // bytes 1 and 0

const makeEach = ({ names, notes }, keys, answer) => {
  let [now, at] = [null, 0];
  const give = (place, byte) => {
    const next = names.map((_, each) => now?.[each] ?? null);
    next[place] = byte;
    now = next; // keys may be faster than the screen
    at = next.indexOf(null) < 0 ? place : next.indexOf(null);
    answer(next, !next.includes(null));
  };
  const rows = names.map((name, place) => {
    const buttons = WORDS.map((word, key) =>
      make("button", { type: "button", class: "choice", "aria-pressed": "false", onclick: () => give(place, 1 - key) },
        word, make("kbd", { "aria-hidden": "true", dataset: { key: `choice${key}` } }, keys.shown(`choice${key}`))));
    return make("li", { class: "criterion" },
      make("div", {}, make("h2", {}, words(name)), notes[place] ? make("p", { dir: "auto" }, notes[place]) : null),
      make("div", { class: "yesno", role: "group", "aria-label": name }, buttons));
  });
  const mark = () => rows.forEach((row, place) => row.classList.toggle("here", place === at));
  const step = (by) => {
    at = Math.min(rows.length - 1, Math.max(0, at + by));
    mark();
    rows[at].scrollIntoView({ block: "nearest" });
  };
  return {
    element: make("div", { class: "form" }, make("ol", { class: "criteria" }, rows)),
    paint: ({ said }, isOther) => {
      now = said;
      if (isOther) at = Math.max(0, said?.indexOf(null) ?? 0);
      rows.forEach((row, place) => row.querySelectorAll("button").forEach((button, key) =>
        change(button, "aria-pressed", String(said?.[place] === 1 - key))));
      mark();
    },
    actions: { choice0: () => give(at, 1), choice1: () => give(at, 0), up: () => step(-1), down: () => step(1) },
  };
};

/** What a likely copy is to the earlier item beside it. `answer(word)` is called with what a press means. */
export const makeRelation = (relations, keys, answer) => {
  const buttons = relations.map(([word, meaning], at) =>
    make("button", { type: "button", class: "choice", "aria-pressed": "false", onclick: () => answer(word) },
      make("span", {}, make("strong", {}, word), make("br"), meaning),
      make("kbd", { "aria-hidden": "true", dataset: { key: `relation${at}` } }, keys.shown(`relation${at}`))));
  return {
    element: make("section", { class: "relation", "aria-labelledby": "relation" },
      make("h2", { id: "relation" }, "To the earlier one it is"), make("div", { class: "choices", role: "group", "aria-labelledby": "relation" }, buttons)),
    paint: ({ relation }) => buttons.forEach((button, at) => change(button, "aria-pressed", String(relations[at][0] === relation))),
    actions: Object.fromEntries(relations.map(([word], at) => [`relation${at}`, () => answer(word)])),
  };
};

/** What was said of an item, for its reviewer's eyes. */
export const inWords = (form, item) => {
  if (item.refused) return `skipped: ${item.refused}`;
  return [answerInWords(form, item.said), item.relation].filter(Boolean).join("; ");
};

const answerInWords = (form, said) => {
  if (said === null) return "";
  if (!Array.isArray(said)) return form.names[said];
  if (form.style === "several") return form.names.filter((_, at) => said[at]).join(", ") || "none of them";
  return form.names.map((name, at) => (said[at] === null ? "" : `${name}: ${said[at] ? "yes" : "no"}`)).filter(Boolean).join(", ");
};
