// All answers before they are sealed: what was said how often, each one with the way back to it, and the seal.

import { kindOf } from "./contents.js";
import { dialog, make, plural, said } from "./dom.js";
import { inWords } from "./form.js";
import { countdown } from "./item.js";

const ROWS = 100;
const NONE = "not answered yet";
const CHANGED = 410; // what the node says when the seal is of other answers

const whySilent = ({ isShut }) => (isShut ? "This page is let in no more" : "Your node does not answer");

export class AnswersScreen {
  #only = null; // words that are looked at alone
  #shown = ROWS;
  #built = ""; // what the screen says

  constructor({ model, contents, go, tell }) {
    Object.assign(this, { model, contents, go, tell });
    this.element = make("main", { id: "main", class: "plain answers-screen", tabindex: -1 });
  }

  show() {
    this.#only = null;
    this.#shown = ROWS;
    this.#build();
  }

  /** Answers that come to rest change nothing here: what has the focus keeps it. */
  paint() {
    if (this.#state(this.#words()) !== this.#built) this.#build();
  }

  #state(words) {
    const { name, coming } = this.model.round;
    return [name, coming, ...words].join("\n");
  }

  #words() {
    const { round } = this.model;
    return round.items.map((item) => (this.model.isDone(item) ? inWords(round.form, item) : NONE));
  }

  #build() {
    const { round } = this.model;
    const words = this.#words();
    this.#built = this.#state(words);
    const counts = new Map();
    for (const each of words) counts.set(each, (counts.get(each) ?? 0) + 1);
    const done = this.model.count();
    this.element.replaceChildren(
      make("h1", {}, "Your answers"),
      make("p", { class: "lead" }, said(round.title), `: ${done.toLocaleString("en")} of ${plural(round.items.length, "item")} answered${round.coming ? `, ${round.coming} still on the way` : ""}. Nobody sees them before all reviewers have sealed theirs.${round.ends ? ` ${countdown(round.ends)}: then those that are not sealed are taken as they stand.` : ""}`),
      this.#counts(counts, round.items.length),
      this.#list(words),
      this.#seal(done, round.items.length - done),
    );
  }

  relabel() {}

  do(action) {
    if (action !== "back") return false;
    this.go.items();
    return true;
  }

  #counts(counts, all) {
    const rows = [...counts].sort(([, a], [, b]) => b - a).slice(0, ROWS);
    return make("ul", { class: "counts", "aria-label": "How often you said what" }, rows.map(([words, count]) => {
      const bar = make("span", { class: "bar" });
      bar.style.width = `${(100 * count) / all}%`;
      return make("li", {}, make("button", { type: "button", "aria-pressed": String(this.#only === words), class: words === NONE ? "count open" : "count", onclick: () => {
        this.#only = this.#only === words ? null : words;
        this.#shown = ROWS;
        this.#build();
      } }, make("span", {}, said(words)), make("span", { class: "n" }, count.toLocaleString("en")), bar));
    }));
  }

  #list(words) {
    const { round } = this.model;
    const places = words.flatMap((each, at) => (this.#only === null || each === this.#only ? [at] : []));
    const rows = places.slice(0, this.#shown).map((at) =>
      make("li", {}, make("button", { type: "button", class: "plain row", onclick: () => this.go.item(at) },
        make("span", { class: "n" }, String(at + 1)), this.#glimpse(round.items[at]), make("span", { class: "words" }, said(words[at])))));
    const rest = places.length - rows.length;
    return make("section", { "aria-label": "Each answer" }, make("ol", { class: "rows" }, rows),
      rest > 0 ? make("button", { type: "button", class: "button quiet", onclick: () => {
        this.#shown += 10 * ROWS;
        this.#build();
      } }, `${plural(rest, "more", "more")}`) : null);
  }

  /** What tells an item from others at a glance. */
  #glimpse(item) {
    const kind = kindOf(item.parts[0][1]);
    const look = kind === "picture"
      ? make("img", { class: "glimpse", loading: "lazy", alt: "", src: this.contents.address(this.model.round, item, 0) })
      : make("span", { class: "quiet", dir: "auto" }, item.glimpse || kind);
    return make("span", { class: "which" }, look, " ", make("code", {}, item.id.slice(0, 12)));
  }

  #seal(done, open) {
    return make("div", { class: "sealing" },
      make("button", { type: "button", class: "button", disabled: !done, onclick: () => this.#confirm(open) }, `Seal ${plural(done, "answer")} …`),
      make("button", { type: "button", class: "button quiet", onclick: () => (open ? this.go.nextOpen() : this.go.items()) }, open ? `Answer the other ${open.toLocaleString("en")}` : "Back to the items"));
  }

  async #confirm(open) {
    const { model } = this;
    const { round } = model;
    const summary = await this.#summary();
    if (!summary) return;
    const count = summary.items.length;
    const box = dialog(`Seal ${plural(count, "answer")}?`,
      make("p", {}, "Campaign: ", said(round.title)),
      make("p", {}, "Once they are sealed, you cannot change them. Your node commits to them as soon as it has an answer to every item of the round."),
      open ? make("p", {}, `${plural(open, "item has", "items have")} no answer yet and stay open.`) : null,
      make("div", { class: "steps" },
        make("button", { type: "button", class: "button", onclick: () => this.#send(box, summary) }, `Seal ${plural(count, "answer")}`),
        make("button", { type: "button", class: "button quiet", autofocus: true, onclick: () => box.close() }, "Not yet")));
  }

  /** What the node would seal, once it has all that was said here, and says the same. */
  async #summary() {
    const { model } = this;
    const { round } = model;
    try {
      if (!(await model.keeper.flush())) throw new Error("away");
      const answer = await fetch(`${model.base}summary/${encodeURIComponent(round.campaign)}/${round.number}`);
      model.keeper.heard(answer.status);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const summary = await answer.json();
      const mine = round.items.filter((item) => model.isDone(item)).map((item) => [item.id, item.v]);
      if (JSON.stringify(mine) === JSON.stringify(summary.items)) return summary;
      await model.look();
      this.tell("Some answers changed in another window. Look at them again, and seal then.");
    } catch {
      this.tell(`${whySilent(model.keeper)}, so nothing can be sealed now. Your answers are kept.`);
    }
    return null;
  }

  async #send(box, { token }) {
    const { model } = this;
    const { campaign, number } = model.round;
    box.close();
    try {
      const answer = await model.keeper.post("seal", { campaign, round: number, token });
      model.keeper.heard(answer.status);
      if (answer.ok) {
        const { sealed } = await answer.json();
        this.tell(`${plural(sealed, "answer")} sealed.`);
      } else if (answer.status === CHANGED) {
        this.tell("The answers changed while you looked. Look at them again, and seal then.");
      } else {
        throw new Error(`status ${answer.status}`);
      }
      await model.look();
      this.go.home();
    } catch {
      this.tell(model.keeper.isShut
        ? `${whySilent(model.keeper)}: nothing was sealed. Your answers are kept.`
        : "Your node stopped answering. When it is back, this page shows whether the answers are sealed.");
    }
  }
}
