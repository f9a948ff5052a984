// Every action has a key: shown where it is, changeable, kept in this browser. Single keys can be turned off for
// whoever dictates, or whose screen reader needs them (WCAG 2.1.4).

import { make } from "./dom.js";

const ANSWERS = /^(choice|relation|none$)/;
const STORED = "commonhold-review-keys";
export const CHOICES_WITH_KEYS = 10;

const choice = (at) => ({ name: `choice${at}`, words: `Answer ${at + 1}`, key: String((at + 1) % 10) });

export const ACTIONS = [
  ...Array.from({ length: CHOICES_WITH_KEYS }, (_, at) => choice(at)),
  { name: "none", words: "None of them fits", key: "o" },
  { name: "relation0", words: "It is a copy", key: "c" },
  { name: "relation1", words: "It is a derivative", key: "v" },
  { name: "relation2", words: "It is independent", key: "i" },
  { name: "relation3", words: "I cannot tell what it is to the other", key: "x" },
  { name: "next", words: "Next item", key: "ArrowRight" },
  { name: "back", words: "Item before", key: "ArrowLeft" },
  { name: "nextOpen", words: "Next without an answer", key: "n" },
  { name: "undo", words: "Undo", key: "u" },
  { name: "skip", words: "Skip, with a reason", key: "s" },
  { name: "find", words: "Find an answer by its name", key: "/" },
  { name: "up", words: "Criterion above", key: "ArrowUp" },
  { name: "down", words: "Criterion below", key: "ArrowDown" },
  { name: "grid", words: "Grid, or one by one", key: "g" },
  { name: "answers", words: "All answers", key: "a" },
  { name: "guidelines", words: "Guidelines", key: "h" },
  { name: "difference", words: "Show what differs", key: "d" },
  { name: "zoomIn", words: "Zoom in", key: "+" },
  { name: "zoomOut", words: "Zoom out", key: "-" },
  { name: "zoomReset", words: "Fit", key: "=" },
  { name: "play", words: "Play, pause", key: " " },
  { name: "earlier", words: "5 seconds back", key: "b" },
  { name: "slower", words: "Slower", key: "[" },
  { name: "faster", words: "Faster", key: "]" },
  { name: "timer", words: "Show or hide the time", key: "t" },
  { name: "keys", words: "Keys", key: "?" },
];

const NAMES = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Backspace: "⌫", Enter: "↵", Escape: "Esc" };
const spelt = (key) => NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);
const folded = (key) => (key.length === 1 ? key.toLowerCase() : key);

export class Keys {
  #chosen; // { isOff, swipe, keys: { action: key } }
  #run;

  /** `run(action)` does it, and says whether there was anything to do. */
  constructor(run) {
    this.#run = run;
    this.#chosen = { isOff: false, swipe: "auto", keys: {}, ...read() };
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** What the key of an action is called; empty while keys are off. */
  shown(action) {
    return this.#chosen.isOff ? "" : spelt(this.#keyOf(action));
  }

  /** What swiping does: "auto", "move" or "off". */
  get swipe() {
    return this.#chosen.swipe;
  }

  #keyOf(action) {
    return this.#chosen.keys[action] ?? ACTIONS.find(({ name }) => name === action)?.key ?? "";
  }

  #onKey(event) {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && folded(event.key) === "z") {
      if (this.#run("undo")) event.preventDefault();
      return;
    }
    if (this.#chosen.isOff || event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
    const key = folded(event.key);
    const action = ACTIONS.find(({ name }) => this.#keyOf(name) === key);
    if (action && event.repeat && ANSWERS.test(action.name)) return; // a key that is held would answer what nobody has seen
    if (action && this.#run(action.name)) event.preventDefault();
  }

  /** The dialog's contents: a row for each action, with a button that waits for another key. */
  panel(changed) {
    const list = make("dl", { class: "keys" });
    const status = make("p", { role: "status", class: "quiet" });
    const paint = () => {
      list.replaceChildren(...ACTIONS.map(({ name, words }) => {
        const press = make("button", { type: "button", "aria-label": `${words}: ${spelt(this.#keyOf(name))}. Change`, dataset: { action: name } }, make("kbd", {}, spelt(this.#keyOf(name))));
        press.addEventListener("click", () => wait(name, words, press));
        return make("div", {}, make("dt", {}, words), make("dd", {}, press));
      }));
      changed();
    };
    const wait = (name, words, press) => {
      status.textContent = `Press the key for “${words}”; Escape leaves it as it is.`;
      press.classList.add("waiting");
      const take = (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
        press.removeEventListener("keydown", take);
        if (event.key !== "Escape") this.#change(name, folded(event.key));
        status.textContent = "";
        paint();
        list.querySelector(`[data-action="${name}"]`).focus();
      };
      press.addEventListener("keydown", take);
    };
    const off = make("input", { type: "checkbox", checked: !this.#chosen.isOff, onchange: () => {
      this.#chosen.isOff = !off.checked;
      this.#write();
      changed();
    } });
    const swipe = make("select", { onchange: () => {
      this.#chosen.swipe = swipe.value;
      this.#write();
      changed();
    } }, [["auto", "answers where there are two answers, else moves on"], ["move", "moves on and back"], ["off", "does nothing"]]
      .map(([value, words]) => make("option", { value, selected: value === this.#chosen.swipe }, words)));
    const reset = make("button", { type: "button", class: "button quiet", onclick: () => {
      this.#chosen.keys = {};
      this.#write();
      paint();
    } }, "As they were");
    paint();
    return [
      make("p", {}, make("label", {}, off, " Single keys act")),
      list, status,
      make("p", {}, make("label", {}, "Swiping ", swipe)),
      make("p", {}, reset),
    ];
  }

  /** Two actions never share a key: the other one gets this one's. */
  #change(action, key) {
    const other = ACTIONS.find(({ name }) => name !== action && this.#keyOf(name) === key);
    if (other) this.#chosen.keys[other.name] = this.#keyOf(action);
    this.#chosen.keys[action] = key;
    this.#write();
  }

  #write() {
    localStorage.setItem(STORED, JSON.stringify(this.#chosen));
  }
}

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "{}");
  } catch {
    return {}; // not ours
  }
};

/** Whether what has the focus needs the key itself. */
const isTaken = ({ key, target }) => {
  if (target.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea, select")) return true;
  if (target.matches("input") && key.startsWith("Arrow")) return true;
  return (key === " " || key === "Enter") && target.matches("button, a, summary, input");
};
