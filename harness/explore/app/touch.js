// Fingers: the library follows the mouse only. One finger moves, or draws the lasso; two zoom; a tap is a click.
const fingers = new Map();

function watchFingers() {
  const lassoing = () => plot.get("mouseMode") === "lasso";
  const asMouse = (type, { clientX, clientY }) =>
    canvas.dispatchEvent(new MouseEvent(type, { clientX, clientY, buttons: 1, bubbles: true, cancelable: true }));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (lassoing()) asMouse("mousedown", event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (lassoing()) asMouse("mousemove", event);
    else if (other) zoom(distance(before, other) / distance(now, other));
    else move((before[0] - now[0]) / canvas.clientHeight, (now[1] - before[1]) / canvas.clientHeight);
  });
  for (const type of ["pointerup", "pointercancel"])
    canvas.addEventListener(type, (event) => {
      if (fingers.delete(event.pointerId) && lassoing()) asMouse("mouseup", event);
    });
}

const distance = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
