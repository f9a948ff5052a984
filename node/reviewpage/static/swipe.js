// One finger across the stage: left or right. Not where the finger moves a zoomed picture or scrolls a text.

const LEAST = 60; // pixels
const STEEP = 1.5; // as much farther across than down

/** Calls `swiped("left" or "right")`, and `moving(pixels)` while the finger is down; 0 at its end. */
export const onSwipe = (stage, swiped, moving) => {
  let start = null;
  const end = () => {
    start = null;
    moving(0);
  };
  const across = (touch) => {
    const [x, y] = [touch.clientX - start.x, touch.clientY - start.y];
    return Math.abs(x) > STEEP * Math.abs(y) ? x : 0;
  };
  stage.addEventListener("touchstart", (event) => {
    const isOurs = event.touches.length === 1 && !event.target.closest(".zoomed, input, select, button, .code, .table");
    start = isOurs ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
  }, { passive: true });
  stage.addEventListener("touchmove", (event) => {
    if (!start) return;
    if (event.touches.length > 1) {
      end();
      return;
    }
    const x = across(event.touches[0]);
    if (x) event.preventDefault(); // else the browser slides on, and swallows the next touch to stop at it
    moving(x);
  }, { passive: false });
  stage.addEventListener("touchend", (event) => {
    if (!start) return;
    const x = across(event.changedTouches[0]);
    end();
    if (Math.abs(x) >= LEAST) swiped(x < 0 ? "left" : "right");
  });
  stage.addEventListener("touchcancel", end);
};
