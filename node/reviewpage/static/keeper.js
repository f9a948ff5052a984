// Brings every change of an answer to the node, and loses none on the way: a change is in the browser's own
// database, and on a shelf beside it, until the node says that it has it, durably. While the node is away
// changes stay, the last one of each item, and go when it is back; also after browser or node were killed.
//
// A change says which version it is of. `over` names changes of ours that the node may have or not: nobody
// knows of an answer that never came. So our own earlier change is no conflict, and a repeated one is one.
//
//   listener.kept(change)          the browser has it, in both places or in the one that there is
//   listener.saved(change, item)   the node has it
//   listener.refused(change, item) another window came first; item is as it is there; null: it is too late
//   listener.away(is)              the node stopped answering or lets us in no more, or answers again

import { afterPaint } from "./dom.js";
import { Shelf, lastOfEach } from "./shelf.js";

const DATABASE = "commonhold-review";
const LEFT = "left"; // what was not stored yet when the page was left
const AGAIN_MS = 500;
const AGAIN_MS_MAX = 8000;
const OVER_MAX = 16; // as many as the node takes
// Every write is over both stores, so that the browser makes one after the other, also of several tabs: Chromium
// that is killed amid writes may throw the whole database away when it starts again, and does so more often amid two.
const STORES = ["changes", "past"];
const SETTLED = new Set([200, 409, 410]); // anything else may be another program's word, which has our port while our page is away
const SHUT = new Set([401, 403]); // a phone that was sent away; a page that was started again elsewhere

const promised = (request) =>
  new Promise((keep, fail) => {
    request.onsuccess = () => keep(request.result);
    request.onerror = () => fail(request.error);
  });

const openDatabase = (name) => {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("changes", { keyPath: "name" });
    request.result.createObjectStore("past", { autoIncrement: true });
  };
  return promised(request);
};

const randomMark = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export class Keeper {
  #database = null; // null where the browser has none
  #shelf;
  #waiting = new Map(); // by item, in the order of their first change
  #unstored = new Map(); // of these, what is not in all places yet
  #sending = null;
  #isAway = false;
  #isShut = false;
  #wait = AGAIN_MS;
  #timer = 0;

  /** `node` names whose answers they are: another node's page may have had this address, and this database. */
  constructor({ base, csrf, node }, listener) {
    Object.assign(this, { base, csrf, listener });
    this.name = `${DATABASE}-${node}`;
    this.#shelf = new Shelf(this.name);
    // Whoever leaves at once after an answer leaves no time to store it.
    const left = `${this.name}-${LEFT}-${randomMark()}`; // each tab's own: several may be left at once
    addEventListener("pagehide", () => {
      if (this.#unstored.size) localStorage.setItem(left, JSON.stringify([...this.#unstored.values()]));
    });
  }

  /** Opens both places; gives the changes that the node may not have yet, and what can be undone. */
  async open() {
    const [{ changes, past }, shelved] = await Promise.all([this.#stored(), this.#shelf.open()]);
    const [here, there] = [changes, shelved].map((all) => new Set(all.map(({ mark }) => mark)));
    for (const change of lastOfEach([...shelved, ...changes])) {
      const again = { ...change, wasSent: true }; // perhaps
      if (here.has(change.mark) && there.has(change.mark)) this.#waiting.set(change.name, again);
      else this.#put(again);
    }
    for (const change of this.#left()) this.#put({ ...change, wasSent: true });
    this.#next();
    return { changes: [...this.#waiting.values()], past };
  }

  async #stored() {
    try {
      this.#database = await openDatabase(this.name);
    } catch {
      return { changes: [], past: [] };
    }
    const read = this.#database.transaction(STORES);
    const past = read.objectStore("past");
    const [changes, keys, values] = await Promise.all([
      promised(read.objectStore("changes").getAll()),
      promised(past.getAllKeys()),
      promised(past.getAll()),
    ]);
    return { changes, past: values.map((value, at) => ({ ...value, key: keys[at] })) };
  }

  /** How many changes the node does not have yet. */
  get count() {
    return this.#waiting.size;
  }

  /** Whether the node does not have them since it does not answer, or does not let us in. */
  get isAway() {
    return this.#isAway;
  }

  /** Whether it is here, and lets us in no more. */
  get isShut() {
    return this.#isShut;
  }

  /** Keeps a change { campaign, round, item, said, refused, relation, base, ms }, and sends it. */
  keep(wanted) {
    const name = `${wanted.campaign}/${wanted.round}/${wanted.item}`;
    const earlier = this.#waiting.get(name);
    const at = Math.max(Date.now(), (earlier?.at ?? 0) + 1); // which one is later, whatever becomes of the clock
    const change = { ...wanted, name, at, mark: randomMark(), base: earlier ? earlier.base : wanted.base };
    change.over = earlier ? [...earlier.over, ...(earlier.wasSent ? [earlier.mark] : [])].slice(-OVER_MAX) : [];
    this.#put(change);
    afterPaint(() => this.#next());
    return change;
  }

  #put(change) {
    this.#waiting.set(change.name, change);
    this.#unstored.set(change.name, change);
    if (this.#database || this.#shelf.isThere) afterPaint(() => this.#write(change));
  }

  #write(change) {
    if (this.#waiting.get(change.name) !== change) return; // the node has it, or there is a later one
    Promise.all([this.#store("changes", (store) => store.put(change)), this.#shelf.put(change)]).then(
      () => {
        if (this.#unstored.get(change.name) === change) this.#unstored.delete(change.name);
        this.listener.kept(change);
      },
      () => {}, // the browser has no room: it counts as kept once the node has it
    );
  }

  /** What tabs left. */
  #left() {
    const all = Object.keys(localStorage).filter((key) => key.startsWith(`${this.name}-${LEFT}-`));
    return all.flatMap((key) => {
      try {
        return JSON.parse(localStorage.getItem(key) ?? "[]");
      } catch {
        return []; // not ours
      } finally {
        localStorage.removeItem(key);
      }
    });
  }

  /** Remembers what can be undone; gives its key. */
  async remember(step) {
    return this.#store("past", (store) => store.add(step));
  }

  forget(key) {
    if (key !== undefined) this.#store("past", (store) => store.delete(key));
  }

  /** Waits until the node has everything; false if it is away. */
  async flush() {
    while (this.#waiting.size && !this.#isAway) await new Promise((kept) => setTimeout(kept, 20));
    return !this.#waiting.size;
  }

  /** Tries again at once: a phone that wakes up waits for nothing. */
  retry() {
    clearTimeout(this.#timer);
    this.#next();
  }

  async #store(name, work) {
    if (!this.#database) return undefined;
    const transaction = this.#database.transaction(STORES, "readwrite", { durability: "strict" }); // or it ends before it is on the disk
    const request = work(transaction.objectStore(name));
    await new Promise((kept, failed) => {
      transaction.oncomplete = kept;
      transaction.onabort = () => failed(transaction.error);
    });
    return request.result;
  }

  async #next() {
    if (this.#sending || !this.#waiting.size) return;
    const [change] = this.#waiting.values();
    this.#sending = change;
    change.wasSent = true;
    const answer = await this.#send(change);
    this.#sending = null;
    if (answer === null) {
      this.#timer = setTimeout(() => this.#next(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, AGAIN_MS_MAX);
      return;
    }
    this.#wait = AGAIN_MS;
    this.#settle(change, answer);
    this.#next();
  }

  #settle(change, { status, item }) {
    const now = this.#waiting.get(change.name);
    if (now === change || status !== 200) {
      this.#waiting.delete(change.name);
      this.#unstored.delete(change.name);
      this.#store("changes", (store) => store.delete(change.name));
      this.#shelf.clear(change.name);
    } else {
      Object.assign(now, { base: item.v, over: [] });
      this.#store("changes", (store) => store.put(now));
    }
    if (status === 200) this.listener.saved(change, item);
    else this.listener.refused(now ?? change, item);
  }

  async #send({ campaign, round, item, said, refused, relation, base, mark, over, ms }) {
    try {
      const answer = await this.post("change", { campaign, round, item, said, refused, relation, base, mark, over, ms });
      if (!SETTLED.has(answer.status)) {
        this.#tell(true, SHUT.has(answer.status));
        return null;
      }
      const known = answer.status === 410 ? null : await answer.json();
      this.#tell(false);
      return { status: answer.status, item: known };
    } catch {
      this.#tell(true);
      return null;
    }
  }

  /** What the node answered to somebody else's question. */
  heard(status) {
    if (SHUT.has(status)) this.#tell(true, true);
    else if (this.#isAway && this.count) this.retry();
    else if (status === 200) this.#tell(false);
  }

  /** Sends something to the node. The secret of its forms is another one after each start: who stayed asks for it. */
  async post(path, body) {
    const answer = await this.#posted(path, body);
    return answer.status === 403 && (await this.#renewed()) ? this.#posted(path, body) : answer;
  }

  async #renewed() {
    const answer = await fetch(`${this.base}pulse`);
    const { form } = answer.ok ? await answer.json() : {};
    const isNew = Boolean(form) && form !== this.csrf;
    if (isNew) this.csrf = form;
    return isNew;
  }

  #posted(path, body) {
    return fetch(this.base + path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-commonhold-form": this.csrf },
      body: JSON.stringify(body),
    });
  }

  #tell(isAway, isShut = false) {
    if (isAway === this.#isAway && isShut === this.#isShut) return;
    this.#isAway = isAway;
    this.#isShut = isShut;
    this.listener.away(isAway);
  }
}
