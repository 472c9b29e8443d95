// The same points for both: n in 8 clusters, plates 0 to 404 in order of the rows.
export const PLATES = 405;
export const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000", "#999999"];

export function screen(n) {
  let state = 1;
  const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const bell = () => 0.3 * (uniform() + uniform() + uniform() - 1.5);
  const [x, y, batch, plate] = [new Float32Array(n), new Float32Array(n), new Float32Array(n), new Float32Array(n)];
  for (let i = 0; i < n; i++) {
    plate[i] = Math.floor((i * PLATES) / n);
    batch[i] = Math.floor((plate[i] * 8) / PLATES);
    x[i] = 0.5 * Math.cos(batch[i]) + bell();
    y[i] = 0.5 * Math.sin(batch[i]) + bell();
  }
  return { x, y, batch, plate };
}

export async function timed(act) {
  const begun = performance.now();
  await act();
  return Math.round(performance.now() - begun);
}
