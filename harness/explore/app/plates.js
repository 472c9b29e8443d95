// The window over plates: where it starts, how wide it is, and playing it from the first plate to the last.
const PAUSE = 120; // milliseconds between steps, at least
let playing = false;

function setUpPlates(changed) {
  const [all, start, width] = ["all-plates", "start", "width"].map(byId);
  const plates = columns.plate.values.length;
  state.width = Math.max(1, Math.round(plates / 10));
  width.max = plates;
  width.value = state.width;
  const update = (windowed) => {
    if (windowed) all.checked = false;
    state.width = Number(width.value);
    start.max = plates - state.width;
    state.start = Number(start.value);
    state.all = all.checked;
    showWindow();
    return changed();
  };
  all.addEventListener("input", () => update(false));
  start.addEventListener("input", () => update(true));
  width.addEventListener("input", () => update(true));
  byId("play").addEventListener("click", () => play(start, update));
  start.max = plates - state.width;
  showWindow();
}

function showWindow() {
  const names = columns.plate.values;
  const last = state.start + state.width - 1;
  const span = state.width === 1 ? names[state.start] : `${names[state.start]} … ${names[last]}`;
  const place = state.width === 1 ? `plate ${state.start + 1}` : `plates ${state.start + 1} to ${last + 1}`;
  byId("window").textContent = state.all ? `all ${names.length} plates` : `${place} of ${names.length}: ${span}`;
  byId("start").setAttribute("aria-valuetext", byId("window").textContent);
  byId("width").setAttribute("aria-valuetext", `${state.width} plates`);
}

async function play(start, update) {
  playing = !playing;
  const button = byId("play");
  const end = () => Number(start.value) >= Number(start.max);
  if (playing && end()) start.value = 0;
  while (playing) {
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Pause";
    await Promise.all([update(true), new Promise((resolve) => setTimeout(resolve, PAUSE))]);
    if (end()) playing = false;
    else if (playing) start.value = Number(start.value) + Math.max(1, Math.round(state.width / 10));
  }
  button.setAttribute("aria-pressed", "false");
  button.textContent = "Play";
}
