// A picture with zoom and pan: by wheel, by two fingers, by keys and by buttons.

import { SMALL } from "./contents.js";
import { make } from "./dom.js";

const STEP = 1.5;
const SCALE_MAX = 24;
const PIXELATED_FROM = 3; // from here on single pixels are what one looks for

/**
 * The picture in a frame; puts what keys do into `actions`. `fitted` is the same at the size of the frame, made
 * before; as soon as one zooms, the picture itself takes its place.
 */
export const showPicture = ({ picture, fitted }, name, actions) => {
  const view = { scale: 1, x: 0, y: 0 };
  const [width, height] = [picture.naturalWidth, picture.naturalHeight];
  picture.alt = `${name}: a picture of ${width} by ${height}`;
  picture.draggable = false;
  picture.className = "picture";
  picture.style.transform = "";
  const frame = make("div", { class: "frame" }, fitted ?? picture);
  if (fitted) {
    fitted.className = "picture";
    fitted.setAttribute("role", "img");
    fitted.setAttribute("aria-label", picture.alt);
  }
  const level = make("output", { "aria-live": "off" }, "100 %");
  picture.classList.toggle("small", Math.max(width, height) < SMALL);

  const paint = () => {
    const shown = fitted && view.scale === 1 ? fitted : picture;
    if (shown.parentElement !== frame) frame.replaceChildren(shown);
    picture.style.transform = view.scale === 1 ? "" : `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    picture.classList.toggle("pixels", view.scale >= PIXELATED_FROM);
    frame.classList.toggle("zoomed", view.scale > 1);
    level.textContent = `${Math.round(100 * view.scale)} %`;
  };

  /** Zooms, with one point of the frame (from its middle) staying where it is. */
  const zoom = (factor, x = 0, y = 0) => {
    const scale = Math.min(SCALE_MAX, Math.max(1, view.scale * factor));
    const ratio = scale / view.scale;
    Object.assign(view, { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio });
    keepInside();
    paint();
  };

  const keepInside = () => {
    const [across, down] = [(frame.clientWidth * (view.scale - 1)) / 2, (frame.clientHeight * (view.scale - 1)) / 2];
    view.x = Math.min(across, Math.max(-across, view.x));
    view.y = Math.min(down, Math.max(-down, view.y));
  };

  const move = (x, y) => {
    view.x += x;
    view.y += y;
    keepInside();
    paint();
  };

  const reset = () => {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    paint();
  };

  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2);
  }, { passive: false });
  frame.addEventListener("dblclick", () => (view.scale > 1 ? reset() : zoom(STEP * STEP)));
  follow(frame, view, zoom, move);

  actions.zoomIn ??= () => zoom(STEP);
  actions.zoomOut ??= () => zoom(1 / STEP);
  actions.zoomReset ??= reset;
  const press = (words, label, run) => make("button", { type: "button", "aria-label": label, onclick: run }, words);
  return make("div", { class: "viewer" }, frame, make("div", { class: "tools" },
    press("−", "Smaller", () => zoom(1 / STEP)), level, press("+", "Larger", () => zoom(STEP)), press("Fit", "Fit", reset)));
};

/** One finger or the mouse moves, two fingers zoom. */
const follow = (frame, view, zoom, move) => {
  const fingers = new Map();
  const apart = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  frame.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (view.scale > 1) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const was = fingers.get(event.pointerId);
    if (!was) return;
    const before = fingers.size === 2 ? apart() : 0;
    const [x, y] = [event.clientX - was.x, event.clientY - was.y];
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) zoom(apart() / Math.max(1, before));
    else if (view.scale > 1) move(x, y);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    frame.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
};
