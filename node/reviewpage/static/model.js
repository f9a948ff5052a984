// The rounds and their items, what was said of each, and how to undo it. Knows nothing of the screen.
//
//   "said" (item)      an answer changed, here or elsewhere
//   "desk"             items came or went
//   "ended" (detail)   a round can be answered no more; detail: { round, became }: { taken, open } of its items
//   "gone" (item)      the item before us can be answered no more, while its round goes on
//   "away" (is)        the node stopped answering, or answers again
//   "conflict" (detail) another window came first; detail: { item, mine }
//   "late"             what was said of an item could not be kept: it is sealed, or its round is over

import { Keeper } from "./keeper.js";

const LOOK_MS = 4000;
const IDLE_MS = 120_000; // whoever does nothing for so long is not looking

/** What was said of an item. */
const words = ({ said, refused, relation }) => ({ said, refused, relation });
const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Model extends EventTarget {
  rounds = [];
  reasons = [];
  relations = [];
  round = null;
  at = 0;
  #past = [];
  #unkept = new Set();
  #since = 0;
  #touched = 0;

  constructor(page) {
    super();
    this.base = page.base;
    this.keeper = new Keeper(page, {
      kept: (change) => this.#told(change),
      saved: (change, item) => this.#saved(change, item),
      refused: (change, item) => this.#refused(change, item),
      away: (is) => this.#emit("away", is),
    });
  }

  get item() {
    return this.round?.items[this.at] ?? null;
  }

  /** Loads everything; throws when the node does not answer. */
  async open() {
    await this.#look();
    const { changes, past } = await this.keeper.open();
    for (const change of changes) {
      const item = this.#find(change);
      if (item) Object.assign(item, { ...words(change), isSaved: false, mark: change.mark });
    }
    this.#past = past;
    setInterval(() => this.#pulse(), LOOK_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this.keeper.retry());
  }

  // ---- saying ----

  /**
   * Says something of an item: a form's answer, and what a likely copy is, or a reason to refuse; all empty
   * take it back.
   */
  say(item, said, { refused = "", relation = refused ? "" : item.relation } = {}) {
    const wanted = { said, refused, relation };
    if (isSame(words(item), wanted)) return;
    const step = { round: this.round.name, id: item.id, ...words(item) };
    this.#past.push(step);
    this.keeper.remember(step).then((key) => (step.key = key));
    this.#set(item, wanted);
  }

  /** Undoes the last change; gives its item, or null. */
  undo() {
    while (this.#past.length) {
      const step = this.#past.pop();
      this.keeper.forget(step.key);
      const round = this.rounds.find((each) => each.name === step.round);
      const at = round?.places.get(step.id) ?? -1;
      if (at < 0) continue; // it is sealed
      this.go(round, at);
      this.#set(round.items[at], words(step));
      return round.items[at];
    }
    return null;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  #set(item, wanted) {
    Object.assign(item, wanted, { isSaved: false });
    this.#unkept.add(item);
    const { campaign, number } = item.round;
    item.mark = this.keeper.keep({
      campaign, round: number, item: item.id, ...wanted, base: item.v, ms: Math.round(this.spent(item)),
    }).mark;
    this.#emit("said", item);
  }

  /** Whether an item needs nothing more. */
  isDone(item) {
    if (item.refused) return true;
    if (item.said === null || (this.isCompared(item) && !item.relation)) return false;
    return !Array.isArray(item.said) || !item.said.includes(null);
  }

  /** Whether its reviewer says what it is to an earlier item, which is here. */
  isCompared(item) {
    return Boolean(item.beside?.parts.length);
  }

  count(round = this.round) {
    return round.items.reduce((sum, item) => sum + this.isDone(item), 0);
  }

  /** How many answers neither the node nor the browser has yet. */
  get unkept() {
    return this.#unkept.size;
  }

  // ---- going ----

  go(round, at) {
    this.#tick();
    this.round = round;
    this.at = Math.max(0, Math.min(at, round.items.length - 1));
  }

  /** The next item of the round without an answer, from a place on and round again; -1 without any. */
  nextOpen(at) {
    const { items } = this.round;
    for (let step = 0; step < items.length; step += 1) {
      const place = (at + step) % items.length;
      if (!this.isDone(items[place])) return place;
    }
    return -1;
  }

  // ---- the timer, which nobody else sees ----

  /** Somebody is here. */
  touch() {
    this.#tick();
    this.#touched = performance.now();
  }

  spent(item) {
    this.#tick();
    return item.ms;
  }

  #tick() {
    const now = performance.now();
    const until = document.hidden ? this.#since : Math.min(now, this.#touched + IDLE_MS);
    if (this.item) this.item.ms += Math.max(0, until - this.#since);
    this.#since = now;
  }

  // ---- what the node says ----

  async #pulse() {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${this.base}pulse`);
      this.keeper.heard(answer.status);
      if (!answer.ok) return;
      const pulse = await answer.json();
      if (!this.keeper.count && !isSame(pulse.rounds, this.#counts())) await this.#look();
    } catch {
      // The keeper says when the node is away: nothing is lost before somebody answers.
    }
  }

  #counts() {
    const counted = {};
    for (const { name, items, coming, sealed } of this.rounds) {
      counted[name] = [items.length, coming, sealed, items.reduce((sum, item) => sum + item.v, 0)];
    }
    return counted;
  }

  /** Looks at once whether items came or went. */
  async look() {
    await this.#look();
  }

  async #look() {
    const answer = await fetch(`${this.base}desk`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { rounds, reasons, relations } = await answer.json();
    const [here, before] = [this.item, this.rounds];
    Object.assign(this, { reasons, relations });
    this.rounds = rounds.map((fresh) => this.#merged(fresh));
    this.round = this.rounds.find((round) => round === this.round) ?? null;
    const at = here && this.round ? this.round.places.get(here.id) : undefined;
    this.at = at ?? Math.min(this.at, Math.max(0, (this.round?.items.length ?? 1) - 1));
    this.#emit("desk");
    if (here && this.round && at === undefined) this.#emit("gone", here);
    for (const round of before) if (!this.rounds.includes(round)) this.#end(round);
  }

  /** Says that a round is over, and what became of its items as far as the node can tell. */
  async #end(round) {
    let became = null;
    try {
      const answer = await fetch(`${this.base}became/${encodeURIComponent(round.campaign)}/${round.number}`);
      if (answer.ok) became = await answer.json();
    } catch {
      // That it is over is said all the same.
    }
    this.#emit("ended", { round, became });
  }

  #merged(fresh) {
    const name = `${fresh.campaign}/${fresh.round}`;
    const old = this.rounds.find((round) => round.name === name);
    const known = new Map((old?.items ?? []).map((item) => [item.id, item]));
    const round = Object.assign(old ?? {}, fresh, { name, number: fresh.round });
    round.items = fresh.items.map((item) => {
      const mine = known.get(item.id);
      if (!mine) return Object.assign(item, { round });
      // What is on its way to the node is newer than what it says.
      if (mine.isSaved !== false) Object.assign(mine, { v: item.v, ...words(item), terms: item.terms, glimpse: item.glimpse, beside: item.beside });
      return mine;
    });
    round.places = new Map(round.items.map((item, at) => [item.id, at]));
    return round;
  }

  #find({ campaign, round, item }) {
    const found = this.rounds.find((each) => each.campaign === campaign && each.number === round);
    return found ? (found.items[found.places.get(item)] ?? null) : null;
  }

  #told(change) {
    const item = this.#find(change);
    if (item?.mark !== change.mark) return;
    this.#unkept.delete(item);
    this.#emit("said", item);
  }

  #saved(change, known) {
    const item = this.#find(change);
    if (!item) return;
    item.v = known.v;
    if (item.mark === change.mark) {
      item.isSaved = true;
      this.#unkept.delete(item);
    }
    this.#emit("said", item);
  }

  #refused(change, known) {
    const item = this.#find(change);
    if (!item) {
      this.#emit("late"); // its round was over when this page was loaded
      return;
    }
    const mine = words(change);
    item.isSaved = true;
    this.#unkept.delete(item);
    if (known === null) {
      this.#emit("late");
      this.#look().catch(() => this.#emit("away", true));
      return;
    }
    Object.assign(item, { v: known.v, ...words(known) });
    this.#emit("said", item);
    if (!isSame(mine, words(item))) this.#emit("conflict", { item, mine });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
