// Wiring: controls change the state, the state is drawn.
let colouring = null;
let shown = [];
let backdropOf = -1; // the view whose backdrop is there
let pending = null;

function chooseColouring() {
  const [kind, name] = state.colour.split("\n");
  const kinds = { role: byRole, batch: byBatch, plate: byPlate, compound: () => byCompound(state.compounds) };
  return kind === "score" ? byScore(views[state.view], name) : kinds[kind]();
}

async function recolour({ moved = false } = {}) {
  colouring = chooseColouring();
  await drawPoints(state.view, colouring, { moved });
  await refilter();
}

// While one step is being drawn the next wait as one: a slider is never behind by more than a step.
function refilter() {
  pending ??= queue.then(async () => {
    pending = null;
    byId("tip").hidden = true; // its point may be about to go
    shown = shownPoints();
    showLegend(colouring, shown);
    const { present } = views[state.view];
    const plates = platesOf(shown);
    byId("count").textContent =
      `${count(shown.length)} of ${count(present)} ${UNIT} shown, on ${count(plates)} of ${count(columns.plate.values.length)} plates`;
    const wanted = state.backdrop && shown.length < present ? state.view : -1;
    if (wanted !== backdropOf) drawBackdrop((backdropOf = wanted), wanted >= 0);
    await showPoints(shown, selected);
    document.body.dataset.drawn = Number(document.body.dataset.drawn ?? 0) + 1;
  });
  return pending;
}

function platesOf(indices) {
  const there = new Uint8Array(columns.plate.values.length);
  for (const i of indices) there[columns.plate.codes[i]] = 1;
  return there.reduce((n, one) => n + one, 0);
}

function showView() {
  byId("note").textContent = views[state.view].note;
  showSelection(views[state.view]);
}

function setUpViews() {
  byId("views-box").hidden = views.length < 2;
  views.forEach((view, k) => {
    const label = make("label", "", "check");
    const radio = Object.assign(make("input"), { type: "radio", name: "view", value: k, checked: k === 0 });
    radio.addEventListener("change", () => {
      state.view = k;
      showView();
      recolour({ moved: true });
    });
    label.append(radio, make("span", view.name));
    byId("views").append(label);
  });
}

function setUpColour() {
  const scores = [...new Set(views.flatMap((view) => Object.keys(view.scores)))];
  const kinds = ["role", "batch", "plate", ...(columns.compound ? ["compound"] : [])].map((kind) => [kind, kind]);
  for (const [value, text] of [...kinds, ...scores.map((name) => [`score\n${name}`, `score: ${name}`])])
    byId("colour").append(Object.assign(make("option", text), { value }));
  byId("colour").addEventListener("input", ({ target }) => {
    state.colour = target.value;
    recolour();
  });
}

function setUpFilters() {
  const numbers = new Uint32Array(columns.role.values.length);
  for (const code of columns.role.codes) numbers[code]++;
  columns.role.values.forEach((role, code) => {
    const label = make("label", "", "check");
    const box = Object.assign(make("input"), { type: "checkbox", checked: true });
    box.addEventListener("input", () => {
      state.roles[code] = Number(box.checked);
      refilter();
    });
    label.append(box, make("span", roleName(role)), make("span", count(numbers[code]), "number"));
    byId("roles").append(label);
  });
  ["all batches", ...columns.batch.values.map(named)].forEach((text, k) =>
    byId("batch").append(Object.assign(make("option", text), { value: k - 1 })),
  );
  byId("batch").addEventListener("input", ({ target }) => {
    state.batch = Number(target.value);
    refilter();
  });
  byId("backdrop").addEventListener("input", ({ target }) => {
    state.backdrop = target.checked;
    refilter();
  });
  setUpSearch(() => (state.colour === "compound" ? recolour() : refilter()));
  setUpPlates(refilter);
}

function select(indices) {
  selected.clear();
  for (const i of indices) selected.add(i);
  showSelection(views[state.view]);
}

function setUpSelection() {
  plot.subscribe("select", ({ points: indices }) => select(indices));
  plot.subscribe("deselect", () => select([]));
  byId("select-shown").addEventListener("click", () => {
    select(shown);
    later(() => plot.select(shown, QUIET));
  });
  byId("clear").addEventListener("click", () => {
    select([]);
    later(() => plot.deselect(QUIET));
  });
  byId("save").addEventListener("click", () => saveSelection(views[state.view]));
  byId("copy").addEventListener("click", () => copySelection(views[state.view]));
  byId("framed").hidden = window.parent === window;
  byId("lasso").addEventListener("click", ({ target }) => {
    const on = target.getAttribute("aria-pressed") !== "true";
    target.setAttribute("aria-pressed", String(on));
    canvas.classList.toggle("lasso", on);
    plot.set({ mouseMode: on ? "lasso" : "panZoom" });
  });
}

function sayWhyNot() {
  canvas.hidden = true;
  byId("message").hidden = false;
  byId("message").textContent =
    "This browser offers no WebGL, which the map is drawn with. Switch on hardware acceleration in its settings, try " +
    "another browser or another machine, or look at the figure umap.png and the table umap.parquet of the run.";
  for (const element of document.querySelectorAll("#controls fieldset, #map button")) element.disabled = true;
}

byId("controls").addEventListener("submit", (event) => event.preventDefault());
setUpViews();
setUpColour();
setUpFilters();
byId("note").textContent = views[0].note;
if (openPlot()) {
  setUpSelection();
  setUpPointer();
  setUpKeys();
  watchFingers();
  recolour();
} else {
  sayWhyNot();
}
