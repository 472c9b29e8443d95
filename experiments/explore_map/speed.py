"""Size and speed of the explorer with many points, in headless Chromium without a GPU."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from harness.explore import page
from harness.explore.points import View

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PLATES, WELLS = 405, 384
# Reading a pixel back waits until the picture is finished.
FINISHED = """async (n) => {
  while (Number(document.body.dataset.drawn ?? 0) < n) await new Promise(requestAnimationFrame);
  const canvas = document.querySelector("#canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let inked = 0;
  for (let i = 0; i < data.length; i += 4) inked += data[i + 3] > 0 && data[i] + data[i + 1] + data[i + 2] < 600;
  return [performance.now(), inked];
}"""
STEP = """async ([start, width]) => {
  const [box, wide] = ["start", "width"].map((id) => document.getElementById(id));
  wide.value = width;
  box.max = Number(wide.max) - width;
  box.value = start;
  const begun = performance.now();
  const before = Number(document.body.dataset.drawn);
  box.dispatchEvent(new Event("input"));
  while (Number(document.body.dataset.drawn) === before) await new Promise(requestAnimationFrame);
  document.querySelector("#canvas").getContext("2d").getImageData(0, 0, 1, 1);
  return performance.now() - begun;
}"""
RECOLOUR = """async (value) => {
  const box = document.getElementById("colour");
  const begun = performance.now();
  const before = Number(document.body.dataset.drawn);
  box.value = value;
  box.dispatchEvent(new Event("input"));
  while (Number(document.body.dataset.drawn) === before) await new Promise(requestAnimationFrame);
  document.querySelector("#canvas").getContext("2d").getImageData(0, 0, 1, 1);
  return performance.now() - begun;
}"""


def screen(n: int, seed: int = 0) -> pd.DataFrame:
    """Make a map of ``n`` images in 8 separate batches, with 30,000 compounds and one score."""
    rng = np.random.default_rng(seed)
    plate = np.arange(n) * PLATES // n
    batch = plate * 8 // PLATES
    place = np.arange(n) - np.searchsorted(plate, plate)
    negcon = rng.random(n) < 0.1
    compounds = np.array([f"compound {i}" for i in range(30_000)], dtype=object)
    at = rng.standard_normal((n, 2)) + 4 * np.column_stack([np.cos(batch * np.pi / 4), np.sin(batch * np.pi / 4)])
    return pd.DataFrame(
        {
            "plate": np.array([f"{24277 + i}" for i in range(PLATES)], dtype=object)[plate],
            "well": np.array([f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(WELLS)], dtype=object)[
                place % WELLS
            ],
            "site": np.array([str(i + 1) for i in range(n // PLATES // WELLS + 1)], dtype=object)[place // WELLS],
            "batch": np.array([f"batch {i + 1}" for i in range(8)], dtype=object)[batch],
            "role": np.where(negcon, "negcon", "treated"),
            "compound": np.where(negcon, "DMSO", compounds[rng.integers(0, len(compounds), n)]),
            "umap_1": at[:, 0] + 0.6 * negcon,
            "umap_2": at[:, 1],
            "control_likeness": -np.hypot(*at.T),
        }
    )


def browse(path: Path, picture: Path) -> dict[str, float]:
    """Measure in a browser: the first picture from the start of loading, slider steps, a new colouring."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab: Any = chromium.new_page(viewport={"width": 1400, "height": 950})
        tab.set_default_timeout(120_000)
        tab.goto(path.as_uri(), wait_until="commit")
        first, inked = tab.evaluate(FINISHED, 1)
        assert inked > 1000, f"the first picture has {inked} coloured pixels"
        tab.screenshot(path=picture)
        times = {"first picture, s": first / 1000}
        for share in (0.02, 0.1):
            width = round(share * PLATES)
            steps = [tab.evaluate(STEP, [start, width]) for start in np.linspace(0, PLATES - width, 21).tolist()]
            times[f"slider step, window of {share:.0%} of plates, ms (median)"] = float(np.median(steps[1:]))
            times[f"slider step, window of {share:.0%} of plates, ms (largest)"] = float(np.max(steps[1:]))
        times["other colours, s"] = tab.evaluate(RECOLOUR, "batch") / 1000
        chromium.close()
    return times


def main() -> None:
    """Write the page, open it in a browser and print sizes and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3, help="loads of the page; each is listed")
    options = parser.parse_args()
    view = View(name="raw", note="norm raw (plate) · data synthetic · split none", points=screen(options.points))
    begun = time.perf_counter()
    document = page([view], title="Speed of the explorer")
    written = time.perf_counter() - begun
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "explorer.html"
        path.write_text(document, encoding="utf-8")
        for _ in range(options.repeat):
            before = os.getloadavg()[0]
            rows.append(browse(path, out / "million.png") | {"load before": before, "load after": os.getloadavg()[0]})
    print(f"{parser.points:,} points, {os.cpu_count()} cores, no GPU")
    print(f"file: {len(document) / 1e6:.1f} MB, written in {written:.1f} s")
    print(pd.DataFrame(rows).T.round(2).to_string(header=[f"load {i + 1}" for i in range(len(rows))]))


if __name__ == "__main__":
    main()
