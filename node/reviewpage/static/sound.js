// A recording: its loudness as a picture that can be pressed, and a speed.

import { make } from "./dom.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const SKIP_SECONDS = 5;

const clock = (seconds) => {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

/** The recording with its controls; puts what keys do into `actions`. */
export const showSound = ({ recording, peaks }, name, actions) => {
  const address = URL.createObjectURL(recording);
  const audio = make("audio", { src: address, preload: "auto" });
  const bars = make("canvas", { class: "wave", "aria-hidden": "true" });
  const seek = make("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": `Place in ${name}`, class: "seek" });
  const time = make("output", { class: "time", "aria-live": "off" }, "0:00");
  const word = make("span", {}, "Play");
  const play = make("button", { type: "button", class: "play" }, word);
  const speed = make("select", { "aria-label": "Speed" }, SPEEDS.map((each) => make("option", { value: each, selected: each === 1 }, `${each}×`)));

  const part = () => (audio.duration ? audio.currentTime / audio.duration : 0);
  const paint = () => {
    drawWave(bars, peaks, part());
    seek.value = Math.round(1000 * part());
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(audio.duration)}`);
    time.textContent = `${clock(audio.currentTime)} / ${clock(audio.duration)}`;
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());
  const faster = (step) => {
    const at = SPEEDS.indexOf(audio.playbackRate) + step;
    audio.playbackRate = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at))];
    speed.value = audio.playbackRate;
  };

  let frame = 0;
  const run = () => {
    paint();
    if (!audio.paused && audio.isConnected) frame = requestAnimationFrame(run);
  };
  audio.addEventListener("play", () => {
    word.textContent = "Pause";
    cancelAnimationFrame(frame);
    run();
  });
  audio.addEventListener("pause", () => (word.textContent = "Play"));
  for (const event of ["loadedmetadata", "seeked", "ended"]) audio.addEventListener(event, paint);
  play.addEventListener("click", toggle);
  speed.addEventListener("change", () => (audio.playbackRate = Number(speed.value)));
  seek.addEventListener("input", () => (audio.currentTime = (Number(seek.value) / 1000) * (audio.duration || 0)));
  new ResizeObserver(paint).observe(bars);

  if (!actions.play) {
    actions.play = toggle; // of several, the first has the key
    play.dataset.action = "play";
    play.append(make("kbd", { "aria-hidden": "true" }));
  }
  actions.slower ??= () => faster(-1);
  actions.faster ??= () => faster(1);
  actions.earlier ??= () => (audio.currentTime = Math.max(0, audio.currentTime - SKIP_SECONDS));
  const stopOthers = actions.stop;
  actions.stop = () => {
    stopOthers?.();
    audio.pause();
    URL.revokeObjectURL(address);
  };
  return make("div", { class: "player" }, make("div", { class: "waves" }, bars, seek), make("div", { class: "tools" }, play, time, make("label", {}, "Speed ", speed)), audio);
};

const drawWave = (canvas, peaks, part) => {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (!width || !height) return;
  Object.assign(canvas, { width, height });
  const paper = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const [played, rest] = [style.getPropertyValue("--accent"), style.getPropertyValue("--wave")];
  const step = 3 * ratio;
  const count = Math.floor(width / step);
  for (let bar = 0; bar < count; bar += 1) {
    const from = Math.floor((bar * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / count));
    const loud = peaks.length ? Math.max(...peaks.slice(from, to)) / 255 : 0;
    const tall = Math.max(2 * ratio, loud * height);
    paper.fillStyle = bar / count < part ? played : rest;
    paper.fillRect(bar * step, (height - tall) / 2, 2 * ratio, tall);
  }
};
