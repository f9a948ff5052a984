// The review page: where a person answers, one item at a time or many, and nothing is lost on the way.
//
//   model       rounds, items, what was said of each, undo
//   keeper      brings changes to the node, through its absence and anybody's death
//   shelf       where they are a second time
//   contents    parts of items, fetched and decoded ahead
//   item, grid, answers    the three screens
//   form        what there is to answer; parts, picture, sound, difference: what there is to look at
//   keys, swipe    how it is done without a mouse
//   notices        what one has to be told
//   dom         elements
//
// Without this script the server's forms do the same; it begins at whatever address they would show.

import { AnswersScreen } from "./answers.js";
import { Contents } from "./contents.js";
import { button, dialog, make, plural, said } from "./dom.js";
import { GridScreen, fitsGrid } from "./grid.js";
import { inWords } from "./form.js";
import { ItemScreen, countdown } from "./item.js";
import { Keys } from "./keys.js";
import { Model } from "./model.js";
import { Notices } from "./notices.js";

const ADDRESS_MS = 1000; // a browser takes no more than some changes of the address in a while
const ROOM = /^\/[0-9a-f]{32}\/$/;
const IS_PHONE = location.protocol === "https:";

class App {
  #screen = null;
  #timer = 0;
  #frameAsked = 0;
  #late = 0;

  /** `page` is what the server says of itself: { base, csrf, node, … }. */
  constructor(page) {
    this.base = page.base;
    this.model = new Model(page);
    this.notices = new Notices();
    this.contents = new Contents(page.base);
    this.keys = new Keys((action) => this.#do(action));
    const go = {
      next: (always) => this.#next(always),
      back: () => this.#to(this.model.at - 1),
      nextOpen: () => this.#nextOpen(),
      item: (at) => this.#to(at),
      items: () => this.#show(this.items),
      answers: () => this.#show(this.answers),
      home: () => this.#home(),
    };
    const shared = { model: this.model, contents: this.contents, keys: this.keys, go, tell: (text) => this.notices.tell(text) };
    this.items = new ItemScreen(shared);
    this.grid = new GridScreen(shared);
    this.answers = new AnswersScreen(shared);
  }

  async open({ round, item, answers, node, before }) {
    const { model } = this;
    this.#listen();
    await model.open();
    this.#frame();
    this.#takeOver(node);
    if (before) this.notices.tell(`This page was at 127.0.0.1:${before} before. Answers that a browser kept there, since your node was away, come when the page is there again: --port ${before}.`);
    const found = model.rounds.find(({ name }) => name === round);
    if (!found?.items.length) {
      this.#home();
      return;
    }
    model.go(found, found.places.get(item) ?? 0);
    this.#show(answers === undefined ? this.items : this.answers);
  }

  #listen() {
    const { model } = this;
    model.addEventListener("said", ({ detail: item }) => {
      if (!item.isSaved) this.notices.close(item); // it was said again
      this.#paintSoon();
    });
    model.addEventListener("away", () => this.#reach());
    model.addEventListener("desk", () => this.#again());
    model.addEventListener("conflict", ({ detail }) => this.#conflict(detail));
    model.addEventListener("late", () => {
      this.#late += 1;
      this.notices.tell(`${plural(this.#late, "answer")} came too late: the item is sealed, or its round is over.`, { of: "late" });
    });
    model.addEventListener("ended", ({ detail }) => this.notices.tell(ending(detail)));
    model.addEventListener("gone", () => {
      if (this.#screen === this.items) this.notices.tell("The item before you can be answered no more: it is sealed, or was withdrawn. This is another one.");
    });
    for (const name of ["pointerdown", "keydown", "wheel", "scroll"]) {
      document.addEventListener(name, () => model.touch(), { passive: true, capture: true });
    }
  }

  /** A page that was started again has another address: whoever still waits at the old one goes there. */
  #takeOver(node) {
    const pages = new BroadcastChannel(`commonhold-review-${node}`);
    pages.onmessage = ({ data: base }) => {
      if (ROOM.test(base) && base !== this.base) location.replace(base + this.#place());
    };
    pages.postMessage(this.base);
  }

  /** Something came or went. */
  #again() {
    if (!this.bar) return; // it is being opened
    if (!this.model.item || !this.#screen) this.#home();
    else if (this.#screen === this.answers) this.#paint();
    else this.#show(this.#screen);
  }

  /** The node went away or is back: then what could not be had is asked for again. */
  #reach() {
    if (!this.bar) return;
    if (!this.model.keeper.isAway && this.#screen) this.#again();
    else this.#paintStatus();
  }

  // ---- the frame ----

  #frame() {
    const act = (words, action) => button(words, () => this.#do(action), { key: this.keys.shown(action), class: "plain", dataset: { action } });
    this.title = make("p", { class: "title" });
    this.progress = make("progress", { max: 1, value: 0, "aria-label": "Answered" });
    this.counted = make("span", { class: "counted quiet" });
    this.status = make("p", { class: "status", role: "status" });
    this.bar = make("header", { class: "bar" },
      make("a", { href: this.base, class: "home", onclick: (event) => {
        event.preventDefault();
        this.#home();
      } }, "Rounds"),
      this.title, make("div", { class: "how" }, this.progress, this.counted), this.status,
      make("nav", { "aria-label": "Review" }, act("Undo", "undo"), act("Grid", "grid"), act("Answers", "answers"), act("Keys", "keys")));
    document.querySelector("main").before(this.bar, this.notices.element);
    setInterval(() => this.#paintStatus(), 15_000);
  }

  #show(screen) {
    const isOther = this.#screen !== screen;
    this.#screen = screen;
    if (isOther) {
      document.querySelector("main").replaceWith(screen.element);
      document.body.className = "scripted";
      if (screen !== this.items) screen.element.focus({ preventScroll: true });
    }
    screen.show();
    this.#paint(true);
    this.#address();
  }

  #home() {
    const { model } = this;
    this.#screen = null;
    const cards = model.rounds.filter(({ items, coming }) => items.length || coming).map((round) => {
      const done = model.count(round);
      const begin = () => {
        model.go(round, 0);
        const at = model.nextOpen(0);
        model.go(round, Math.max(0, at));
        this.#show(this.items);
      };
      return make("section", { class: "round" },
        make("h2", {}, said(round.title)), make("p", {}, said(round.asks)),
        make("p", { class: "quiet" }, `${done.toLocaleString("en")} of ${plural(round.items.length, "item")} answered${round.coming ? `, ${round.coming} still on the way` : ""}. ${countdown(round.ends)}${round.ends ? ": what you have answered by then is taken as it stands." : ""}`),
        round.items.length ? make("button", { type: "button", class: "button", onclick: begin }, done ? "Go on" : "Begin") : null);
    });
    const main = make("main", { id: "main", class: "plain", tabindex: -1 }, make("h1", {}, "Reviews that wait"),
      cards.length ? cards : make("p", { class: "lead" }, "Nothing waits for you. Items come here when you are drawn to review some, and your node has fetched them."));
    if (document.body.dataset.phone !== undefined) main.append(make("p", { class: "phone" }, make("a", { href: `${this.base}phone` }, "Review on your phone")));
    document.querySelector("main").replaceWith(main);
    document.body.className = "scripted";
    this.#paint(true);
    history.replaceState(null, "", this.base);
  }

  /** Once for all that changed before the next frame. */
  #paintSoon() {
    this.#countKept();
    this.#frameAsked ||= requestAnimationFrame(() => {
      this.#frameAsked = 0;
      this.#paint();
    });
  }

  #paint(isOther = false) {
    const { model } = this;
    if (!isOther) this.#screen?.paint();
    const isIn = Boolean(this.#screen && model.round);
    this.bar.classList.toggle("home", !isIn);
    if (isIn) {
      const [done, all] = [model.count(), model.round.items.length];
      this.title.replaceChildren(said(model.round.title));
      Object.assign(this.progress, { max: Math.max(1, all), value: done });
      this.counted.textContent = `${done.toLocaleString("en")} / ${all.toLocaleString("en")}`;
    }
    const grid = this.bar.querySelector("[data-action=grid]");
    if (isOther) grid.hidden = !fitsGrid(model.round);
    grid.firstElementChild.textContent = this.#screen === this.grid ? "One" : "Grid";
    this.bar.querySelector("[data-action=undo]").disabled = !model.canUndo;
    this.#paintStatus();
  }

  /** In the middle of work only what changes for the reviewer is said: screen readers say it, too. */
  #paintStatus() {
    const { keeper } = this.model;
    const time = this.#screen ? countdown(this.model.round?.ends) : "";
    const text = keeper.isAway ? whileAway(keeper) : time;
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.classList.toggle("away", keeper.isAway);
    this.#countKept();
  }

  /** For whoever has to know whether everything said is safe: here, and at the node. */
  #countKept() {
    document.body.dataset.unkept = this.model.unkept;
    document.body.dataset.waiting = this.model.keeper.count;
  }

  #conflict({ item, mine }) {
    const { form } = item.round;
    const words = (each) => inWords(form, each) || "nothing";
    const use = button("Use mine", () => {
      this.notices.close(item);
      this.model.say(item, mine.said, mine);
    }, { class: "button" });
    const text = `Item ${item.round.places.get(item.id) + 1} was answered in another window: there “${words(item)}”, here “${words(mine)}”. What is said there stands.`;
    this.notices.tell(text, { of: item, more: [use] });
  }

  #address() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => history.replaceState(null, "", this.base + this.#place()), ADDRESS_MS);
  }

  /** What is before its reviewer, as an address has it. */
  #place() {
    const { round, item } = this.model;
    if (!this.#screen || !round) return "";
    const page = this.#screen === this.answers || !item ? "answers" : "item";
    return `${page}/${encodeURIComponent(round.campaign)}/${round.number}${page === "item" ? `/${item.place}` : ""}`;
  }

  // ---- going ----

  #to(at) {
    const { model } = this;
    if (at >= model.round.items.length) {
      this.#show(this.answers);
      return;
    }
    model.go(model.round, at);
    this.#show(this.items);
  }

  /** On from an answer: to the next item, and at the end to those left out, or to all answers. */
  #next(always = false) {
    const { model } = this;
    const isLast = model.at + 1 >= model.round.items.length;
    if (always || !isLast) this.#to(model.at + 1);
    else this.#nextOpen();
  }

  #nextOpen() {
    const at = this.model.nextOpen(this.model.at);
    if (at < 0) this.#show(this.answers);
    else this.#to(at);
  }

  #do(action) {
    if (action === "keys") return this.#showKeys();
    if (!this.#screen) return false;
    if (this.#screen.do(action)) return true;
    const own = {
      undo: () => this.#undo(),
      grid: () => fitsGrid(this.model.round) && this.#show(this.#screen === this.grid ? this.items : this.grid),
      answers: () => this.#show(this.#screen === this.answers ? this.items : this.answers),
    };
    if (!own[action]) return false;
    own[action]();
    return true;
  }

  #undo() {
    const item = this.model.undo();
    if (item) this.#show(this.#screen === this.grid ? this.grid : this.items);
  }

  #showKeys() {
    const box = dialog("Keys", ...this.keys.panel(() => this.#relabel()));
    box.append(make("p", {}, make("button", { type: "button", class: "button", onclick: () => box.close() }, "Done")));
    box.classList.add("wide");
    return true;
  }

  #relabel() {
    for (const press of this.bar.querySelectorAll("[data-action]")) {
      const mark = press.querySelector("kbd");
      mark.textContent = this.keys.shown(press.dataset.action);
      mark.hidden = !mark.textContent;
    }
    this.#screen?.relabel();
  }
}

/** Where answers are while the node does not take them, and what brings them to it. */
const whileAway = ({ count, isShut }) => {
  const kept = count ? `${plural(count, "answer is", "answers are")} kept in this browser at ${location.host}. ` : "";
  if (IS_PHONE) return isShut ? `This phone was sent away. ${kept}Load the page, and type a new code of the computer.` : `Your node is away. ${kept}This phone goes on when it is back.`;
  const again = "open the address that it prints, in this browser, to go on";
  return isShut ? `The page was started again: ${again}. ${kept}` : `Your node is away. ${kept}When you start the page again, ${again}.`;
};

/** That a round is over, and what became of its items. */
const ending = ({ round, became }) => {
  const taken = became?.taken ? ` ${plural(became.taken, "answer")} of yours ${became.taken === 1 ? "was" : "were"} taken.` : "";
  const open = became?.open ? ` ${plural(became.open, "item")} had none in time.` : "";
  return `“${round.title}” can be answered no more.${taken}${open}`;
};

new App(document.body.dataset).open(document.body.dataset).catch(() => {
  // The forms of the server stay, and work.
  document.querySelector("main").prepend(make("p", { class: "alarm", role: "alert" }, "Your node does not answer. Load the page again when it is back."));
});
