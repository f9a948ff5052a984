// Parts of items, fetched and decoded ahead, so that the next item is painted from memory.

const AHEAD = 12;
const BEHIND = 4;
const AT_ONCE = 4;
const KEPT_MAX = 64; // items
const AHEAD_BYTES_MAX = 64 * 2 ** 20; // a phone has little room, and pictures and recordings are large
const KEPT_BYTES_MAX = 2 * AHEAD_BYTES_MAX;
export const SMALL = 200; // pixels: a picture below is shown pixel by pixel

export const kindOf = (medium) => {
  const [kind] = medium.split("/");
  if (kind === "image") return "picture";
  if (kind === "audio") return "sound";
  return medium === "application/octet-stream" ? "file" : "text";
};

/** An item's own parts, and those of the earlier one that it resembles. */
export const partsOf = (item) => [...item.parts, ...(item.beside?.parts ?? [])];

const bytesOf = (item) => partsOf(item).reduce((sum, [, , size]) => sum + size, 0);

const get = async (address) => {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer;
};

export class Contents {
  #kept = new Map(); // by item: { parts, ready: promise, isReady }
  #bytes = 0; // of what is kept
  #queue = [];
  #running = 0;
  room = null; // { width, height } of a picture on the stage, once it is known

  constructor(base) {
    this.base = base;
  }

  address(round, item, at, path = "content") {
    return `${this.base}${path}/${encodeURIComponent(round.campaign)}/${round.number}/${item.id}/${at}`;
  }

  /** The parts of an item if they are here: texts, decoded pictures, loudness of recordings; else null. */
  ready(item) {
    const found = this.#kept.get(item.id);
    return found?.isReady && found.count === partsOf(item).length ? found.parts : null;
  }

  /** The same once they are here; null for a part that is not to be had. */
  async of(round, item) {
    const wanted = this.#want(round, item);
    this.#begin(wanted);
    await wanted.ready;
    return wanted.parts;
  }

  /** Fetches what is around a place in a round. */
  around(round, at) {
    const places = [];
    for (let step = 0; step <= AHEAD; step += 1) places.push(at + step);
    for (let step = 1; step <= BEHIND; step += 1) places.push(at - step);
    let room = AHEAD_BYTES_MAX;
    const near = places.map((place) => round.items[place]).filter((item) => item && (room -= bytesOf(item)) > 0);
    this.#queue = near.map((item) => this.#want(round, item));
    this.#pump();
  }

  #want(round, item) {
    const known = this.#kept.get(item.id);
    const count = partsOf(item).length; // what it resembles may come later than itself
    if (known?.count === count) {
      this.#kept.delete(item.id); // the least recent goes first
      this.#kept.set(item.id, known);
      return known;
    }
    this.#drop(item.id);
    const wanted = { round, item, count, bytes: bytesOf(item), parts: [], isReady: false, isBegun: false };
    wanted.ready = new Promise((kept) => (wanted.settle = kept));
    this.#kept.set(item.id, wanted);
    this.#bytes += wanted.bytes;
    while (this.#kept.size > KEPT_MAX || (this.#bytes > KEPT_BYTES_MAX && this.#kept.size > 1)) this.#drop(this.#kept.keys().next().value);
    return wanted;
  }

  #drop(id) {
    this.#bytes -= this.#kept.get(id)?.bytes ?? 0;
    this.#kept.delete(id);
  }

  #pump() {
    while (this.#running < AT_ONCE && this.#queue.length) this.#begin(this.#queue.shift());
  }

  async #begin(wanted) {
    if (wanted.isBegun) return;
    wanted.isBegun = true;
    this.#running += 1;
    const { round, item } = wanted;
    wanted.parts = await Promise.all(partsOf(item).map((part, at) => this.#load(round, item, part, at).catch(() => null)));
    if (wanted.parts.includes(null) && this.#kept.get(item.id) === wanted) this.#drop(item.id); // it is asked for again
    wanted.isReady = true;
    wanted.settle();
    this.#running -= 1;
    this.#pump();
  }

  /**
   * A picture at the size that it is shown at: a browser that scales it when it paints takes longer than a
   * frame. Null for one of few pixels, which costs nothing, and are to be seen.
   */
  async #fit(picture) {
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    if (!this.room || Math.max(width, height) < SMALL) return null;
    const ratio = window.devicePixelRatio || 1;
    const scale = Math.min(this.room.width / width, this.room.height / height) * ratio;
    const size = { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)) };
    const bitmap = await createImageBitmap(picture, { ...size, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap); // as it is: a canvas to draw on is copied at every frame
    return canvas;
  }

  async #load(round, item, [, medium], at) {
    const address = this.address(round, item, at);
    switch (kindOf(medium)) {
      case "picture": {
        const picture = new Image();
        picture.decoding = "sync"; // it is decoded by then, and painted with the rest
        picture.src = address;
        await picture.decode();
        return { picture, fitted: await this.#fit(picture) };
      }
      case "sound": {
        const [heard, peaks] = await Promise.all([get(address), get(this.address(round, item, at, "peaks"))]);
        return { recording: await heard.blob(), peaks: new Uint8Array(await peaks.arrayBuffer()) };
      }
      case "text": {
        const answer = await get(address);
        return { text: await answer.text(), language: answer.headers.get("content-language") ?? "", ends: answer.headers.get("x-commonhold-line-ends") };
      }
      default:
        return address;
    }
  }
}
