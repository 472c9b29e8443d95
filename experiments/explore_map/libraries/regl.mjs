import createScatterplot, { createRenderer } from "regl-scatterplot";
import { COLOURS, PLATES, screen, timed } from "./screen.mjs";

globalThis.measure = async (n) => {
  const { x, y, batch, plate } = screen(n);
  const canvas = document.querySelector("canvas");
  const renderer = createRenderer({ canvas: document.createElement("canvas") });
  renderer.resize(canvas.width, canvas.height);
  const finished = () => canvas.getContext("2d").getImageData(0, 0, 1, 1);
  const options = { colorBy: "valueA", pointColor: COLOURS, pointSize: 2, performanceMode: true, spatialIndexUseWorker: false };
  const plot = createScatterplot({ canvas, renderer, width: canvas.width, height: canvas.height, ...options });
  const first = await timed(() => plot.draw({ x, y, valueA: batch }).then(finished));
  const steps = [];
  for (let start = 0; start < PLATES; start += 40)
    steps.push(
      await timed(() => {
        const shown = [];
        for (let i = 0; i < n; i++) if (plate[i] >= start && plate[i] < start + 40) shown.push(i);
        return plot.filter(shown).then(finished);
      }),
    );
  return { first, steps };
};
