// Keeps an open page at the log's head without reloading it. The server answers 304 while nothing has changed;
// what has changed is woven into the page node by node, so that focus, scroll and selection stay where they are.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const EVERY_MS_MAX = 30000; // while the server does not answer

  const following = document.querySelector("[data-following]");
  const status = following.querySelector("[role=status]");
  const button = following.querySelector("button");
  const live = document.getElementById("live");
  let wait = EVERY_MS;
  let timer = 0;

  const say = (text) => {
    if (status.textContent !== text) status.textContent = text;
  };

  const isPaused = () => button.getAttribute("aria-pressed") === "true";

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "");

  const isSame = (a, b) => a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

  const weaveAttributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) {
      // Whether a part is folded out is the reader's business.
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  const weave = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    weaveAttributes(old, fresh);
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = keyOf(child);
      // A row that moved is moved, not written anew; anything else stays in its place.
      const found = key && [...old.children].find((each) => isSame(each, child));
      if (found) {
        if (found !== at) old.insertBefore(found, at);
        weave(found, child);
        at = found.nextSibling;
      } else if (at && !keyOf(at) && isSame(at, child)) {
        weave(at, child);
        at = at.nextSibling;
      } else {
        old.insertBefore(document.importNode(child, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const look = async () => {
    const answer = await fetch(location.href, { cache: "no-cache", credentials: "omit" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    if (answer.headers.get("etag") === live.dataset.tag) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (isPaused() || fresh === null) return;
    weave(live, fresh);
    if (document.title !== page.title) document.title = page.title;
  };

  const follow = async () => {
    try {
      await look();
      wait = EVERY_MS;
      if (!isPaused()) say("Follows the log.");
    } catch {
      wait = Math.min(2 * wait, EVERY_MS_MAX);
      if (!isPaused()) say("The coordinator does not answer; trying again.");
    }
    schedule();
  };

  const schedule = () => {
    clearTimeout(timer);
    if (!isPaused() && !document.hidden) timer = setTimeout(follow, wait);
  };

  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!isPaused()));
    say(isPaused() ? "Paused." : "Follows the log.");
    schedule();
  });
  document.addEventListener("visibilitychange", schedule);
  button.hidden = false;
  say("Follows the log.");
  schedule();
})();
