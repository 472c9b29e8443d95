import { Deck, OrthographicView } from "@deck.gl/core";
import { DataFilterExtension } from "@deck.gl/extensions";
import { ScatterplotLayer } from "@deck.gl/layers";
import { COLOURS, PLATES, screen, timed } from "./screen.mjs";

globalThis.measure = async (n) => {
  const { x, y, batch, plate } = screen(n);
  const canvas = document.querySelector("canvas");
  const at = new Float32Array(2 * n);
  const colour = new Uint8Array(4 * n).fill(255);
  for (let i = 0; i < n; i++) {
    at.set([x[i] * canvas.height * 0.5, y[i] * canvas.height * 0.5], 2 * i);
    colour.set([1, 3, 5].map((k) => parseInt(COLOURS[batch[i]].slice(k, k + 2), 16)), 4 * i);
  }
  const attributes = {
    getPosition: { value: at, size: 2 },
    getFillColor: { value: colour, size: 4 },
    getFilterValue: { value: plate, size: 1 },
  };
  const data = { length: n, attributes };
  const extensions = [new DataFilterExtension({ filterSize: 1 })];
  const layer = (filterRange) =>
    new ScatterplotLayer({ id: "points", data, extensions, filterRange, getRadius: 1, radiusUnits: "pixels" });
  let rendered;
  const onAfterRender = () => {
    deck.device.gl.readPixels(0, 0, 1, 1, 6408, 5121, new Uint8Array(4));
    rendered?.();
  };
  const next = () => new Promise((resolve) => (rendered = resolve));
  let deck;
  const first = await timed(() => {
    const layers = [layer([0, PLATES])];
    const { width, height } = canvas;
    const initialViewState = { target: [0, 0], zoom: 0 };
    const views = new OrthographicView({});
    deck = new Deck({ canvas, width, height, useDevicePixels: false, views, initialViewState, layers, onAfterRender });
    return next();
  });
  const steps = [];
  for (let start = 0; start < PLATES; start += 40)
    steps.push(
      await timed(() => {
        deck.setProps({ layers: [layer([start, start + 39])] });
        return next();
      }),
    );
  return { first, steps };
};
