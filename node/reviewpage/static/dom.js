// Elements, made from values. Text of others goes in as text: nothing here reads markup.

/** An element with properties (`dataset`, `class`, `aria-…` and events among them) and children. */
export const make = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};

/** Gives an attribute a value; one that it has is not given again, which would be work for a browser. */
export const change = (element, name, value) => {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
};

/** Words of others, isolated: from right to left, they turn nothing around. */
export const said = (text) => make("bdi", {}, text);

/** Runs work once what changed is on the screen; at once where nobody looks. */
export const afterPaint = (work) => {
  if (document.hidden) work();
  else requestAnimationFrame(() => setTimeout(work));
};

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** A button that shows its key. */
export const button = (words, run, { key = "", ...properties } = {}) =>
  make(
    "button",
    { type: "button", onclick: run, ...properties },
    make("span", {}, words),
    make("kbd", { hidden: !key, "aria-hidden": "true" }, key),
  );

/** A dialog that is there until it is closed, and gives the focus back. */
export const dialog = (title, ...children) => {
  const heading = make("h2", { id: "dialog-title" }, title);
  const box = make("dialog", { "aria-labelledby": "dialog-title" }, heading, ...children);
  box.addEventListener("close", () => box.remove()); // by Escape
  box.close = () => {
    HTMLDialogElement.prototype.close.call(box);
    box.remove(); // at once: the next key is for the page
  };
  document.body.append(box);
  box.showModal();
  return box;
};
