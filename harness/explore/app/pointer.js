// Hovering names a point; keys and buttons move the view.
function setUpPointer() {
  const tip = byId("tip");
  const place = ({ offsetX, offsetY }) => {
    const { clientWidth, clientHeight } = canvas;
    tip.style.left = `${Math.max(4, Math.min(offsetX + 14, clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${offsetY + 18 + tip.offsetHeight > clientHeight ? Math.max(4, offsetY - tip.offsetHeight - 10) : offsetY + 18}px`;
  };
  let last = { offsetX: 0, offsetY: 0 };
  canvas.addEventListener("mousemove", (event) => place((last = event)));
  canvas.addEventListener("mouseleave", () => (tip.hidden = true));
  plot.subscribe("pointOut", () => (tip.hidden = true));
  plot.subscribe("pointOver", (i) => {
    const list = make("dl");
    for (const [name, of] of fields(views[state.view])) list.append(make("dt", name), make("dd", named(of(i))));
    tip.replaceChildren(list);
    tip.hidden = false;
    place(last);
  });
}

function setUpKeys() {
  const reset = () => plot.reset();
  const [closer, farther] = [() => zoom(0.8), () => zoom(1.25)];
  const arrows = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  const keys = { "+": closer, "=": closer, "-": farther, 0: reset };
  for (const [key, by] of Object.entries(arrows)) keys[key] = () => move(...by);
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  byId("zoom-in").addEventListener("click", closer);
  byId("zoom-out").addEventListener("click", farther);
  byId("zoom-reset").addEventListener("click", reset);
}
