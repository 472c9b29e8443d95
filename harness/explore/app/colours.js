// A colouring is a palette, the index of each point's colour in it, and a key: a list or a scale.
const GREY = "#b9bfc6";
const ROLE_COLOURS = { negcon: "#d55e00", treated: "#56b4e9", poscon: "#009e73", empty: "#8c97a3" };
const { categorical, ramp } = description;

function onRamp(i, n) {
  return ramp[n < 2 ? 0 : Math.round((i / (n - 1)) * (ramp.length - 1))];
}

function byRole() {
  const { values, codes } = columns.role;
  return { palette: values.map((role) => ROLE_COLOURS[role] ?? GREY), index: codes, key: values.map(roleName) };
}

const roleName = (role) => ROLE_NAMES[role] ?? named(role);

function byBatch() {
  const { values, codes } = columns.batch;
  const few = values.length <= categorical.length;
  const palette = values.map((_, i) => (few ? categorical[i] : onRamp(i, values.length)));
  return { palette, index: codes, key: values.map(named) };
}

function byPlate() {
  const { values, codes } = columns.plate;
  const last = Math.max(1, values.length - 1);
  const index = Uint8Array.from(codes, (code) => Math.round((code / last) * (ramp.length - 1)));
  return { palette: ramp, index, ends: [values[0], values.at(-1)] };
}

// The most frequent of the compounds searched for, or else of all; the rest is grey, the last of the categorical colours.
function byCompound(wanted) {
  const { values, codes } = columns.compound;
  const wells = new Uint32Array(values.length);
  for (let i = 0; i < N; i++) wells[codes[i]]++;
  let chosen = values.map((_, code) => code).filter((code) => values[code] !== "" && (!wanted || wanted[code]));
  chosen = chosen.sort((a, b) => wells[b] - wells[a]).slice(0, categorical.length - 1);
  const place = new Uint8Array(values.length).fill(chosen.length);
  chosen.forEach((code, i) => (place[code] = i));
  const palette = [...categorical.slice(0, chosen.length), GREY];
  return { palette, index: Uint8Array.from(codes, (code) => place[code]), key: [...chosen.map((c) => values[c]), "other"] };
}

// From the 1st to the 99th percentile: one outlier would otherwise take all colours for itself.
function byScore(view, name) {
  const values = view.scores[name];
  if (!values) return { palette: [GREY], index: new Uint8Array(N), key: ["no such score here"] };
  const known = Float32Array.from(values.filter(Number.isFinite)).sort();
  if (!known.length) return { palette: [GREY], index: new Uint8Array(N), key: ["undefined"] };
  const low = known[Math.floor(0.01 * (known.length - 1))];
  const high = known[Math.ceil(0.99 * (known.length - 1))];
  const scale = (ramp.length - 1) / (high - low || 1);
  const index = Uint8Array.from(values, (value) =>
    Number.isFinite(value) ? Math.max(0, Math.min(ramp.length - 1, Math.round((value - low) * scale))) : ramp.length,
  );
  const ends = [`${known[0] < low ? "≤ " : ""}${short(low)}`, `${known.at(-1) > high ? "≥ " : ""}${short(high)}`];
  return { palette: [...ramp, GREY], index, ends, undefined: known.length < N };
}
