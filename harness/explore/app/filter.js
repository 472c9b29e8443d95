// Which points are shown: in the plate window, of a chosen role and batch, of a compound searched for.
const state = {
  view: 0,
  colour: "role",
  all: true,
  start: 0,
  width: 1,
  roles: new Uint8Array(columns.role.values.length).fill(1),
  batch: -1,
  compounds: null, // one byte per compound, or null for all
  backdrop: true,
};

function shownPoints() {
  const plate = columns.plate.codes;
  const role = columns.role.codes;
  const batch = columns.batch.codes;
  const compound = columns.compound?.codes;
  const { x } = views[state.view];
  const low = state.all ? 0 : state.start;
  const high = state.all ? columns.plate.values.length : state.start + state.width;
  const shown = [];
  for (let i = 0; i < N; i++) {
    if (plate[i] < low || plate[i] >= high || !state.roles[role[i]] || x[i] === MISSING) continue;
    if (state.batch >= 0 && batch[i] !== state.batch) continue;
    if (state.compounds && !state.compounds[compound[i]]) continue;
    shown.push(i);
  }
  return shown;
}
