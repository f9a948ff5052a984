// Where changes are a second time: in the browser's cache, which has a file for each. Chromium that was killed
// amid writes may begin an empty database at its next start; these files stayed at all kills that were made. They
// are not forced to the disk, as the database is: that one is for the day the power fails.
//
// An entry is named after its change's mark, and never written over: it would be gone for a moment. So an earlier
// change of an item leaves once the later one is there, and both are there if the browser is killed between.

const PATH = "/kept/"; // nothing is asked for there

/** Of changes that are of the same item, the last one. */
export const lastOfEach = (changes) => {
  const last = new Map();
  for (const change of changes) {
    if (!(last.get(change.name)?.at > change.at)) last.set(change.name, change);
  }
  return [...last.values()];
};

export class Shelf {
  #cache = null; // null where the browser has none, or none for a page whose certificate it does not know
  #marks = new Map(); // of the changes on it, by name
  #turn = Promise.resolve();

  constructor(name) {
    this.name = name;
  }

  get isThere() {
    return this.#cache !== null;
  }

  /** Opens it; gives the last change of each item. */
  async open() {
    try {
      this.#cache = await caches.open(this.name);
    } catch {
      return [];
    }
    const entries = await this.#cache.keys();
    const all = (await Promise.all(entries.map((entry) => this.#read(entry)))).filter(Boolean);
    const last = lastOfEach(all);
    for (const { name, mark } of last) this.#marks.set(name, mark);
    for (const change of all) if (!last.includes(change)) this.#inTurn((cache) => cache.delete(PATH + change.mark));
    return last;
  }

  async #read(entry) {
    try {
      return await (await this.#cache.match(entry)).json();
    } catch {
      this.#inTurn((cache) => cache.delete(entry)); // it was being written when the browser was killed
      return null;
    }
  }

  /** Takes a change, in the place of an earlier one of its item. */
  put(change) {
    return this.#inTurn(async (cache) => {
      const before = this.#marks.get(change.name);
      if (before === change.mark) return;
      await cache.put(PATH + change.mark, new Response(JSON.stringify(change)));
      this.#marks.set(change.name, change.mark);
      if (before) await cache.delete(PATH + before);
    });
  }

  clear(name) {
    return this.#inTurn(async (cache) => {
      await cache.delete(PATH + this.#marks.get(name));
      this.#marks.delete(name);
    });
  }

  /** One after the other: what is later is never gone before what it took the place of. */
  #inTurn(work) {
    const done = this.#turn.then(() => this.#cache && work(this.#cache));
    this.#turn = done.catch(() => {}); // whoever asked is told
    return done;
  }
}
