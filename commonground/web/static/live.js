// Keeps an open page at the present state without reloading it. The server answers 304 while nothing has
// changed; what has changed is woven into the page node by node, so that focus, scroll, selection and what the
// reader folded out stay as they are.
//
//   #live            what is kept up to date; data-tag is the entity tag of what it shows
//   [data-gone]      if there is one: shown while the server does not answer
//   [data-following] if there is one: says how it goes, in words of its own, and has a button that pauses
"use strict";

(() => {
  const EVERY_MS = 2000;
  const EVERY_MS_MAX = 30000; // while the server does not answer

  const live = document.getElementById("live");
  const gone = document.querySelector("[data-gone]");
  const following = document.querySelector("[data-following]");
  const button = following?.querySelector("button");
  let wait = EVERY_MS;
  let timer = 0;

  const isPaused = () => button?.getAttribute("aria-pressed") === "true";

  const say = (text) => {
    const status = following?.querySelector("[role=status]");
    if (status && status.textContent !== text) status.textContent = text;
  };

  const tell = (answers) => {
    if (gone) gone.hidden = answers;
    if (following && !isPaused()) say(answers ? following.dataset.following : following.dataset.away);
  };

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
    const keyed = new Map([...old.children].filter(keyOf).map((each) => [keyOf(each), each]));
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      // A row that moved is moved, not written anew; anything else stays in its place.
      const key = keyOf(child);
      const same = key ? keyed.get(key) : at;
      if (same && isSame(same, child)) {
        if (same === at) at = at.nextSibling;
        else old.insertBefore(same, at);
        weave(same, child);
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
    const answer = await fetch(location.href, { headers: { "if-none-match": live.dataset.tag } });
    if (answer.status === 304) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    // A page that says what is wrong is one of ours, too; what somebody between us says is not.
    if (answer.redirected || fresh === null) throw new Error(`status ${answer.status}`);
    if (isPaused()) return;
    const focused = document.activeElement;
    weave(live, fresh);
    if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    if (document.title !== page.title) document.title = page.title;
  };

  const follow = async () => {
    try {
      await look();
      wait = EVERY_MS;
      tell(true);
    } catch {
      wait = Math.min(2 * wait, EVERY_MS_MAX);
      tell(false);
    }
    schedule();
  };

  const schedule = () => {
    clearTimeout(timer);
    if (!isPaused() && !document.hidden) timer = setTimeout(follow, wait);
  };

  if (button) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isPaused()));
      say(isPaused() ? following.dataset.paused : following.dataset.following);
      schedule();
    });
    button.hidden = false;
  }
  document.addEventListener("visibilitychange", schedule);
  tell(true);
  schedule();
})();
