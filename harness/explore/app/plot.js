// The drawing: regl-scatterplot on one canvas. Its calls must not overlap, so they wait in a queue.
const canvas = byId("canvas");
const LARGE = 200000; // points; from there on squares without blending, or a step takes seconds without a GPU
const QUIET = { preventEvent: true };
let plot = null;
let queue = Promise.resolve();
const spatialIndex = views.map(() => undefined);
const points = Array.from({ length: N }, () => [0, 0, 0]);

function later(task) {
  queue = queue.then(task);
  return queue;
}

function openPlot() {
  const probe = document.createElement("canvas").getContext("webgl");
  if (!probe || !probe.getExtension("OES_texture_float")) return false;
  probe.getExtension("WEBGL_lose_context")?.loseContext();
  plot = createScatterplot({
    canvas,
    renderer: fittedRenderer(),
    performanceMode: N > LARGE,
    spatialIndexUseWorker: false,
    backgroundColor: "#ffffff",
    colorBy: "valueA",
    pointColor: ["#000000", "#000000"],
    pointColorActive: "#000000",
    pointColorHover: "#000000",
    pointSize: N > LARGE ? 1.5 : N > 30000 ? 3 : N > 5000 ? 4.5 : 6,
    pointSizeSelected: 1,
    pointOutlineWidth: 1.5,
    opacity: N > LARGE ? 1 : 0.85,
    opacityInactiveMax: 1,
    opacityInactiveScale: 1,
    lassoColor: "#0a5c91",
    lassoOnLongPress: false,
    cameraDistance: 1.05 * Math.max(1, canvas.clientHeight / canvas.clientWidth), // the library fits the height
  });
  return true;
}

// As large as the canvas: left to itself the library renders the whole window and copies a part of it.
function fittedRenderer() {
  const renderer = createRenderer({ canvas: document.createElement("canvas") });
  const fit = () => {
    const { width, height } = canvas.getBoundingClientRect();
    if (width && height) renderer.resize(width, height);
  };
  new ResizeObserver(fit).observe(canvas);
  fit();
  return renderer;
}

// Positions of a view and a colouring; the filter stays.
function drawPoints(view, colouring, { moved }) {
  return later(async () => {
    const { x, y } = views[view];
    for (let i = 0; i < N; i++) {
      const point = points[i];
      point[0] = x[i] === MISSING ? 4 : x[i] / HALF - 1;
      point[1] = y[i] === MISSING ? 4 : y[i] / HALF - 1;
      point[2] = colouring.index[i];
    }
    const { palette } = colouring;
    const colours = palette.length > 1 ? palette : [palette[0], palette[0]];
    const black = colours.map(() => "#000000");
    await plot.set({ pointColor: colours, pointColorActive: black, pointColorHover: black });
    await plot.draw(points, {
      zDataType: "categorical",
      wDataType: "categorical",
      preventFilterReset: true,
      spatialIndex: spatialIndex[view],
      transition: moved && N <= 20000,
      transitionDuration: 600,
    });
    spatialIndex[view] = plot.get("spatialIndex");
  });
}

function showPoints(shown, selected) {
  return later(async () => {
    const drawn = shown.length < N ? plot.filter(shown, QUIET) : plot.get("isPointsFiltered") ? plot.unfilter(QUIET) : null;
    if (selected.size) plot.select(shown.filter((i) => selected.has(i)), QUIET);
    await drawn;
  });
}

// Where all points of the view lie, in light grey: the place of what the filter leaves out.
function drawBackdrop(view, wanted) {
  return later(() => {
    if (!wanted) return plot.set({ backgroundImage: null });
    const size = N > LARGE ? 1024 : N > 30000 ? 512 : 300;
    const picture = new Uint8Array(4 * size * size).fill(255);
    const { x, y } = views[view];
    for (let i = 0; i < N; i++) {
      if (x[i] === MISSING) continue;
      const column = Math.min(size - 1, Math.floor((x[i] / MISSING) * size));
      const row = size - 1 - Math.min(size - 1, Math.floor((y[i] / MISSING) * size));
      const at = 4 * (row * size + column);
      picture[at] = picture[at + 1] = picture[at + 2] = Math.max(180, Math.min(226, picture[at] - 10));
    }
    const texture = { width: size, height: size, data: picture, mag: "linear", min: "linear" };
    return plot.set({ backgroundImage: plot.get("regl").texture(texture) });
  });
}

function zoom(factor) {
  plot.set({ cameraDistance: Math.min(6, Math.max(0.002, plot.get("cameraDistance") * factor)) });
}

// By a fraction of the height that is visible.
function move(right, up) {
  const [x, y] = plot.get("cameraTarget");
  const step = 2 * plot.get("cameraDistance");
  plot.set({ cameraTarget: [x + right * step, y + up * step] });
}
