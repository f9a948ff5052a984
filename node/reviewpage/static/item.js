// The screen of one item: the stage with its parts, and beside it the question, the answers, the guidelines.

import { afterPaint, button, change, dialog, make, plural, said } from "./dom.js";
import { makeForm, makeRelation } from "./form.js";
import { showParts } from "./parts.js";
import { onSwipe } from "./swipe.js";

const LATER_MS = 150; // from here on one is told that an item is on its way

export class ItemScreen {
  #round = null;
  #form = null;
  #relation = null;
  #shown = null; // the item on the stage
  #what = ""; // which parts of it are there
  #isWhole = false; // whether all of them are
  #actions = {};

  constructor({ model, contents, keys, go, tell }) {
    Object.assign(this, { model, contents, keys, go, tell });
    this.stage = make("section", { class: "stage", tabindex: 0, id: "stage" });
    this.hint = make("p", { class: "hint quiet", "aria-hidden": "true" });
    this.question = make("h1", {});
    this.holder = make("div", {});
    this.guidelines = make("details", { class: "guidelines", open: window.innerWidth > 800, hidden: true });
    this.number = make("p", { class: "number" });
    this.timer = make("p", { class: "timer quiet", hidden: localStorage.getItem("commonhold-review-timer") === "off" });
    this.skipped = make("p", { class: "skipped", hidden: true });
    const act = (words, action) => button(words, () => this.do(action), { key: keys.shown(action), class: "plain", dataset: { action } });
    this.difference = act("What differs", "difference");
    this.steps = make("div", { class: "steps" }, act("Back", "back"), act("Next", "next"), act("Skip", "skip"), this.difference);
    this.element = make("main", { id: "main", class: "review", tabindex: -1 },
      make("div", { class: "left" }, this.stage, this.hint),
      make("aside", { class: "panel", "aria-label": "Your answer" }, this.question, this.holder, this.skipped, this.steps, this.number, this.timer, this.guidelines));
    onSwipe(this.stage, (way) => this.#swiped(way), (x) => this.#moving(x));
    setInterval(() => this.#paintTimer(), 1000);
  }

  /** Shows the item where the model is. One that is on the stage stays as it is: zoomed, or being played. */
  async show() {
    const { model } = this;
    const { round, item } = model;
    if (this.#round !== round) this.#begin(round);
    const parts = this.contents.ready(item);
    if (parts && this.#shown === item && this.#what === partsInWords(item, parts)) {
      this.#guide(item);
      this.#paintPanel(item);
    } else if (parts) {
      this.#put(item, parts);
    } else {
      const later = setTimeout(() => {
        if (model.item === item) this.#wait(item);
      }, LATER_MS);
      this.#paintPanel(item);
      const arrived = await this.contents.of(round, item);
      clearTimeout(later);
      if (model.item === item && this.element.isConnected) this.#put(item, arrived);
    }
    afterPaint(() => {
      this.#measure();
      if (model.round) this.contents.around(model.round, model.at);
    });
  }

  /** How much room a picture has, once it is laid out. */
  #measure() {
    const frame = this.stage.querySelector(".frame");
    if (frame?.clientWidth) this.contents.room = { width: frame.clientWidth, height: frame.clientHeight };
  }

  /** Shows what is said of the item; it may have changed. */
  paint() {
    if (this.model.item) this.#paintPanel(this.model.item);
  }

  #begin(round) {
    this.#round = round;
    this.#form = makeForm(round.form, this.keys, (answer, isWhole) => this.#answer(answer, isWhole));
    this.question.replaceChildren(said(round.asks));
    this.#relation = makeRelation(this.model.relations, this.keys, (relation) => this.#compare(relation));
    this.holder.replaceChildren(this.#form.element, this.#relation.element);
    this.relabel();
  }

  /** Keys may have changed. */
  relabel() {
    for (const mark of this.element.querySelectorAll("kbd[data-key]")) mark.textContent = this.keys.shown(mark.dataset.key);
    this.#label(this.element);
    const names = this.#round?.form.names ?? [];
    this.hint.textContent = this.#swipesAnswer() ? `← ${names[1]}    swipe    ${names[0]} →` : "Swipe to go on or back";
    this.hint.hidden = this.keys.swipe === "off";
  }

  #label(screen) {
    for (const press of screen.querySelectorAll("[data-action]")) {
      const mark = press.querySelector("kbd");
      mark.textContent = this.keys.shown(press.dataset.action);
      mark.hidden = !mark.textContent;
    }
  }

  #put(item, parts) {
    const isOther = this.#shown !== item;
    this.#actions.stop?.();
    const { stage, actions } = showParts(item, parts, item.parts.some(([name]) => name === "second"));
    this.#actions = actions;
    this.#isWhole = !parts.includes(null);
    this.#shown = item;
    this.#what = partsInWords(item, parts);
    if (isOther) this.stage.scrollTop = 0; // before there is anything new to lay out
    this.#label(stage);
    this.stage.replaceChildren(stage);
    this.#guide(item);
    this.#paintPanel(item, isOther);
  }

  /** Terms may change in mid-round: each item has the guidelines under which it came. */
  #guide(item) {
    const text = this.#round.guidelines[item.terms];
    if (this.guidelines.dataset.text === text) return;
    this.guidelines.dataset.text = text;
    this.guidelines.hidden = !text;
    this.guidelines.replaceChildren(make("summary", {}, "Guidelines"), make("p", { class: "prose", dir: "auto" }, text));
  }

  #wait(item) {
    this.#actions.stop?.();
    this.#actions = {};
    this.#shown = null;
    this.stage.replaceChildren(make("p", { class: "empty" }, "This item is on its way from your node, and can be answered once it is here …"));
    this.#guide(item);
    this.#paintPanel(item);
  }

  #paintPanel(item, isOther = false) {
    const { model } = this;
    change(this.stage, "aria-label", `Item ${model.at + 1} of ${model.round.items.length}`);
    change(this.stage, "data-item", this.#shown?.id ?? "");
    change(this.stage, "aria-busy", String(this.#shown !== item));
    this.#form.paint(item, isOther);
    this.#relation.element.hidden = !model.isCompared(item);
    this.difference.hidden = !this.#actions.difference;
    this.#relation.paint(item);
    this.#paintNumber(item);
    this.skipped.hidden = !item.refused;
    this.skipped.textContent = item.refused ? `Skipped: ${item.refused}` : "";
  }

  #paintNumber(item) {
    const place = `Item ${(this.model.at + 1).toLocaleString("en")} of ${this.model.round.items.length.toLocaleString("en")} `;
    if (this.number.firstChild?.data === place && this.number.lastChild.title === item.id) return;
    this.number.replaceChildren(place, make("code", { title: item.id }, item.id.slice(0, 12)));
  }

  #paintTimer() {
    if (this.timer.hidden || !this.model.item) return;
    const { items } = this.model.round;
    const here = this.model.spent(this.model.item) / 1000;
    const done = items.filter((item) => this.model.isDone(item) && item.ms > 0);
    const mean = done.reduce((sum, item) => sum + item.ms, 0) / 1000 / Math.max(1, done.length);
    this.timer.textContent = `${here.toFixed(0)} s at this item${done.length ? `, ${mean.toFixed(1)} s on average` : ""} (only you see this)`;
  }

  // ---- what one does ----

  /** What is painted is what can be answered: a key or a finger that is faster than the picture says nothing. */
  #canAnswer(item) {
    const isShown = this.#shown === item;
    if (isShown && this.#isWhole) return true;
    this.#form.paint(item, true); // it may have taken the answer for given
    if (isShown) this.tell("A part of this item is not here, so it cannot be answered. Come back to it, or skip it.");
    return false;
  }

  #answer(answer, isWhole) {
    const { item } = this.model;
    if (!this.#canAnswer(item)) return;
    this.model.say(item, answer);
    if (isWhole && this.model.isDone(item)) this.go.next();
  }

  #compare(relation) {
    const { item } = this.model;
    if (!this.#canAnswer(item)) return;
    this.model.say(item, item.said, { relation });
    if (this.model.isDone(item)) this.go.next();
  }

  /** Does an action; false where there is nothing to do. */
  do(action) {
    const own = {
      next: () => this.go.next(true),
      back: () => this.go.back(),
      nextOpen: () => this.go.nextOpen(),
      skip: () => this.#skip(),
      guidelines: () => (this.guidelines.open = !this.guidelines.open),
      timer: () => {
        this.timer.hidden = !this.timer.hidden;
        localStorage.setItem("commonhold-review-timer", this.timer.hidden ? "off" : "on");
        this.#paintTimer();
      },
      ...this.#form?.actions,
      ...(this.model.isCompared(this.model.item) ? this.#relation?.actions : {}),
      ...this.#actions,
    };
    if (action === "stop" || !own[action]) return false;
    own[action]();
    return true;
  }

  #skip() {
    const { model } = this;
    const item = model.item;
    if (this.#shown !== item) return; // it is on its way
    const box = dialog("Skip, since it is …", make("div", { class: "choices" }, model.reasons.map(([word, meaning], at) =>
      make("button", { type: "button", class: "choice", onclick: () => pick(word) }, make("span", {}, make("strong", {}, word), make("br"), meaning), make("kbd", { "aria-hidden": "true" }, String(at + 1))))),
    make("p", {}, make("button", { type: "button", class: "button quiet", onclick: () => box.close() }, "Not now")));
    const pick = (word) => {
      box.close();
      model.say(item, null, { refused: word });
      this.go.next();
    };
    box.addEventListener("keydown", (event) => {
      const reason = model.reasons[Number(event.key) - 1];
      if (!reason) return;
      event.stopPropagation(); // or it would answer the next item
      pick(reason[0]);
    });
  }

  #swipesAnswer() {
    return this.keys.swipe === "auto" && this.#round?.form.style === "one" && this.#round.form.names.length === 2;
  }

  #swiped(way) {
    if (this.keys.swipe === "off") return;
    if (this.#swipesAnswer()) this.#answer(way === "right" ? 0 : 1, true);
    else this.do(way === "left" ? "next" : "back");
  }

  #moving(x) {
    const child = this.stage.firstElementChild;
    if (child && this.keys.swipe !== "off") child.style.transform = x ? `translateX(${x / 3}px)` : "";
  }
}

/** Changes when there is something else to show of an item: what it resembles may come later than itself. */
const partsInWords = (item, parts) => JSON.stringify([item.parts, item.beside, parts.map((part) => part !== null)]);

export const countdown = (ends) => {
  if (!ends) return "";
  const minutes = Math.floor((ends - Date.now()) / 60_000);
  if (minutes < 0) return "the time is up";
  if (minutes < 90) return `${plural(minutes, "minute")} left`;
  const hours = Math.floor(minutes / 60);
  return `${hours < 48 ? plural(hours, "hour") : plural(Math.floor(hours / 24), "day")} left`;
};
