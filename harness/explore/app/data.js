// The data of the page: typed arrays over one buffer. Point i is the same well in every view.
const byId = (id) => document.getElementById(id);
const description = JSON.parse(byId("description").textContent);
const N = description.n;
const MISSING = 65535;
const HALF = 32767;

const buffer = (() => {
  const element = byId("binary");
  const base64 = element.textContent;
  element.remove();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64).buffer;
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
})();

const ARRAYS = { Uint8Array, Uint16Array, Uint32Array, Float32Array };
const read = ({ type, at, length }) => new ARRAYS[type](buffer, at, length);

const columns = {};
for (const [name, { values, codes }] of Object.entries(description.columns))
  columns[name] = { values, codes: read(codes) };
const views = description.views.map((view) => ({
  ...view,
  x: read(view.x),
  y: read(view.y),
  scores: Object.fromEntries(Object.entries(view.scores).map(([name, where]) => [name, read(where)])),
}));
for (const view of views) view.present = view.x.reduce((n, x) => n + (x !== MISSING), 0);
const UNIT = columns.site ? "images" : "wells";
const ROLE_NAMES = { negcon: "negative control", poscon: "positive control" };

const textOf = (name, i) => columns[name].values[columns[name].codes[i]];
const named = (text) => (text === "" ? "(none)" : text);
const count = (n) => n.toLocaleString("en");
const short = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "undefined");

function make(name, content = "", className = "") {
  const element = document.createElement(name);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

function coordinate(view, axis, i) {
  const value = view[axis][i];
  return value === MISSING ? NaN : ((value - HALF) / HALF) * view.half + view.centre[axis === "x" ? 0 : 1];
}
