"""First picture and filter steps of two WebGL scatter libraries, in headless Chromium without a GPU.

Before: npm install, then npx esbuild regl.mjs deck.mjs --bundle --minify --format=iife --outdir=out
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OUT = Path(__file__).parent / "out"


def measure(library: str, n: int) -> dict[str, Any]:
    """Return the times of the first picture and of filter steps with ``n`` points."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab = chromium.new_page(viewport={"width": 1100, "height": 800})
        tab.set_default_timeout(300_000)
        tab.set_content('<canvas width="1000" height="700"></canvas>')
        tab.add_script_tag(path=OUT / f"{library}.js")
        timings = tab.evaluate("n => measure(n)", n)
        chromium.close()
    steps = timings["steps"][1:]
    return {
        "library": library,
        "points": f"{n:,}",
        "bundle, kB": (OUT / f"{library}.js").stat().st_size // 1000,
        "first picture, ms": timings["first"],
        "filter step, ms (median)": round(float(np.median(steps))),
        "filter step, ms (largest)": max(steps),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure both libraries and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000])
    points = options.parse_args().points
    rows = [measure(library, n) for n in points for library in ("regl", "deck")]
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
