// Many items at a time, for quick decisions: choose an answer, press the items that have it, and give the rest
// another one.

import { make, plural, said } from "./dom.js";
import { inWords } from "./form.js";
import { kindOf } from "./contents.js";
import { CHOICES_WITH_KEYS } from "./keys.js";

const TILES = 24;
const TILES_NARROW = 12;
const NARROW = 700; // pixels
const TEXT_CHARS = 240;
const SEEN_AT_ONCE = new Set(["picture", "text"]);

/** Whether a round's items can be judged at a glance: one answer each, to what is seen without being opened. */
export const fitsGrid = (round) => round?.form.style === "one" && round.items.every(isSeenAtOnce);
const isSeenAtOnce = ({ parts, beside }) => parts.length === 1 && !beside && SEEN_AT_ONCE.has(kindOf(parts[0][1]));

export class GridScreen {
  #brush = 0;
  #page = 0;
  #round = null;
  #tiles = []; // { item, tile, isHere }: what is not here cannot be answered

  constructor({ model, contents, keys, go, tell }) {
    Object.assign(this, { model, contents, keys, go, tell });
    this.question = make("h1", {});
    this.brushes = make("div", { class: "choices brushes", role: "radiogroup", "aria-label": "Answer that a press gives" });
    this.list = make("ul", { class: "tiles" });
    this.rest = make("button", { type: "button", class: "button" });
    this.place = make("span", { class: "quiet" });
    this.rest.addEventListener("click", () => this.#giveRest());
    const turn = (words, by) => make("button", { type: "button", class: "button quiet", onclick: () => this.#turn(by) }, words);
    this.element = make("main", { id: "main", class: "grid", tabindex: -1 },
      this.question, this.brushes, this.list, make("div", { class: "steps" }, this.rest, turn("Screen before", -1), this.place, turn("Next screen", 1)));
  }

  get #size() {
    return window.innerWidth < NARROW ? TILES_NARROW : TILES;
  }

  show() {
    const { round, at } = this.model;
    if (this.#round !== round) this.#brush = 0;
    this.#round = round;
    this.#page = Math.floor(at / this.#size);
    this.question.replaceChildren(said(round.asks));
    this.#paintBrushes();
    const items = this.#items();
    const isThere = items.length === this.#tiles.length && this.#tiles.every(({ item, isHere }, place) => isHere && item === items[place]);
    if (isThere) this.paint(); // whoever has the focus keeps it
    else this.#paintPage();
  }

  #items() {
    const start = this.#page * this.#size;
    return this.#round.items.slice(start, start + this.#size);
  }

  paint() {
    this.#tiles.forEach(({ item, tile }) => this.#paintTile(item, tile));
    this.#paintRest();
  }

  relabel() {
    this.#paintBrushes();
  }

  #paintBrushes() {
    const { names } = this.#round.form;
    this.brushes.replaceChildren(...names.map((name, at) =>
      make("button", { type: "button", role: "radio", class: "choice", "aria-checked": String(at === this.#brush), onclick: () => this.#take(at) },
        make("span", {}, said(name)), at < CHOICES_WITH_KEYS ? make("kbd", { "aria-hidden": "true" }, this.keys.shown(`choice${at}`)) : null)));
  }

  #take(at) {
    this.#brush = at;
    [...this.brushes.children].forEach((each, place) => each.setAttribute("aria-checked", String(place === at)));
    this.#paintRest();
  }

  #paintPage() {
    this.#tiles = this.#items().map((item) => this.#tile(item));
    this.list.replaceChildren(...this.#tiles.map(({ tile }) => make("li", {}, tile)));
    const pages = Math.ceil(this.#round.items.length / this.#size);
    this.place.textContent = `${this.#page + 1} of ${pages}`;
    this.paint();
  }

  #tile(item) {
    const [[name, medium]] = item.parts;
    const body = make("span", { class: "look", dir: "auto" });
    const tile = make("button", { type: "button", class: "tile", onclick: () => this.#press(made) }, body, make("span", { class: "says" }));
    const made = { item, tile, isHere: false };
    const arrived = () => {
      made.isHere = true;
      tile.setAttribute("aria-busy", "false");
    };
    tile.setAttribute("aria-busy", "true");
    if (kindOf(medium) === "picture") {
      body.append(make("img", { onload: arrived, src: this.contents.address(this.#round, item, 0), alt: `${name} ${item.id.slice(0, 6)}` }));
    } else {
      body.textContent = `${name} ${item.id.slice(0, 6)}`;
      this.contents.of(this.#round, item).then(([content]) => {
        if (content === null) return;
        const { text, language } = content;
        body.textContent = text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS)} …` : text;
        body.lang = language;
        arrived();
      });
    }
    return made;
  }

  #paintTile(item, tile) {
    const words = inWords(this.#round.form, item);
    tile.querySelector(".says").textContent = words;
    tile.classList.toggle("done", Boolean(words));
    tile.dataset.said = item.said ?? "";
  }

  #press({ item, isHere }) {
    const isSame = item.said === this.#brush && !item.refused;
    if (isHere) this.model.say(item, isSame ? null : this.#brush);
  }

  #paintRest() {
    const left = this.#tiles.filter(({ item }) => !this.model.isDone(item)).length;
    this.rest.hidden = !left;
    this.rest.replaceChildren(`The ${plural(left, "other")} here: `, said(this.#round.form.names[this.#brush]));
  }

  #giveRest() {
    const left = this.#tiles.filter(({ item }) => !this.model.isDone(item));
    const unseen = left.filter(({ isHere }) => !isHere).length;
    for (const { item, isHere } of left) if (isHere) this.model.say(item, this.#brush);
    if (unseen) this.tell(`${plural(unseen, "item was", "items were")} not here yet, and got no answer.`);
    else this.#turn(1);
  }

  #turn(by) {
    const last = Math.ceil(this.#round.items.length / this.#size) - 1;
    if (this.#page + by > last) {
      this.go.answers();
      return;
    }
    this.#page = Math.max(0, this.#page + by);
    this.model.go(this.#round, this.#page * this.#size);
    this.#paintPage();
    this.#tiles[0]?.tile.focus();
  }

  /** Arrows go from tile to tile, and an answer's key gives it to the one in focus. */
  do(action) {
    const tiles = this.#tiles.map(({ tile }) => tile);
    const at = tiles.indexOf(document.activeElement);
    const across = Math.max(1, tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop));
    const steps = { next: 1, back: -1, up: -across, down: across };
    if (action in steps) {
      tiles[Math.min(tiles.length - 1, Math.max(0, at + steps[action]))]?.focus();
      return true;
    }
    if (!action.startsWith("choice")) return false;
    const choice = Number(action.slice("choice".length));
    if (choice >= this.#round.form.names.length) return false;
    if (at < 0) {
      this.#take(choice);
      return true;
    }
    if (!this.#tiles[at].isHere) return true;
    this.model.say(this.#tiles[at].item, choice);
    if (at + 1 < tiles.length) tiles[at + 1].focus();
    else this.rest.hidden || this.rest.focus();
    return true;
  }
}
