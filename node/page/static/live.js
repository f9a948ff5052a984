// Keeps the open page up to date without a reload. The server says by a short text whether anything has
// changed; then the page is fetched and what differs is changed in place, so that focus, selection, scroll
// and what the reader opened stay as they are.
"use strict";

const POLL_MS = 1500;

/** Makes `now` like `next`, touching only what differs. */
function morph(now, next) {
  if (now.isEqualNode(next)) return;
  if (now.nodeName !== next.nodeName) {
    now.replaceWith(next.cloneNode(true));
  } else if (now.nodeType !== Node.ELEMENT_NODE) {
    now.data = next.data;
  } else {
    morphAttributes(now, next);
    morphChildren(now, next);
  }
}

function morphAttributes(now, next) {
  for (const { name } of [...now.attributes]) {
    const opened = name === "open" && now.nodeName === "DETAILS";
    if (!opened && !next.hasAttribute(name)) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
}

/** Rows that have an id are followed when others come before them. */
function morphChildren(now, next) {
  const known = new Map([...now.children].filter((each) => each.id).map((each) => [each.id, each]));
  let at = now.firstChild;
  for (const child of next.childNodes) {
    const same = child.id ? known.get(child.id) : at && !at.id ? at : null;
    if (!same) {
      now.insertBefore(child.cloneNode(true), at);
      continue;
    }
    const after = same === at ? at.nextSibling : at;
    if (same !== at) now.insertBefore(same, at);
    morph(same, child);
    at = after;
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

async function refresh() {
  const response = await fetch(location.href);
  if (response.redirected || !response.headers.get("content-type").startsWith("text/html")) return;
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  const focused = document.activeElement;
  document.title = next.title;
  morph(document.body, next.body);
  if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

/** Whether the node answered. */
async function lookOnce() {
  try {
    const response = await fetch(document.body.dataset.versionUrl);
    if (response.ok && (await response.text()) !== document.body.dataset.version) await refresh();
    return response.ok;
  } catch {
    return false; // what is shown stays, and the next look may find the node again
  }
}

async function look() {
  if (!document.hidden) document.getElementById("away").hidden = await lookOnce();
  setTimeout(look, POLL_MS);
}

setTimeout(look, POLL_MS);
