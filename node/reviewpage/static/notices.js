// What one has to be told, above the screen: each notice stays until it is closed, and none takes another's place
// but an earlier one of the same thing.

import { make } from "./dom.js";

const NOTICES_MAX = 100; // beyond, the oldest go: whoever closed none of so many reads none

export class Notices {
  #rows = new Map(); // by what each is of

  constructor() {
    this.element = make("div", { class: "told", role: "status", "aria-atomic": "false" });
  }

  /** Says something; `of` is what it is about (else the text is), `more` are buttons beside it. */
  tell(text, { of = text, more = [] } = {}) {
    this.close(of);
    const row = make("div", { class: "notice" }, make("p", {}, text), more,
      make("button", { type: "button", class: "plain", "aria-label": `Close: ${text}`, onclick: () => this.close(of) }, "×"));
    this.#rows.set(of, row);
    this.element.append(row);
    if (this.#rows.size > NOTICES_MAX) this.close(this.#rows.keys().next().value);
  }

  /** Takes back what was said of something. */
  close(of) {
    this.#rows.get(of)?.remove();
    this.#rows.delete(of);
  }
}
