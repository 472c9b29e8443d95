"""Cost of the audit: one run on the demo screen with and without it, in turn, in new processes."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = {"without": ["audit=[]"], "with": []}


def seconds(folder: str, options: list[str]) -> float:
    """Return the wall time of one run, imports and database included."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "harness", "+norm=dmso_within", "resume=false", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the median wall times and the cost of the audit relative to the run without it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of each, after one that packs the screen")
    options = parser.parse_args()
    wall_times: dict[str, list[float]] = {name: [] for name in RUNS}
    with tempfile.TemporaryDirectory() as folder:
        seconds(folder, RUNS["without"])
        for _ in range(options.repeats):
            for name, extra in RUNS.items():
                wall_times[name].append(seconds(folder, extra))
    without, audited = (statistics.median(wall_times[name]) for name in RUNS)
    spans = {name: f"{min(times):.1f} to {max(times):.1f}" for name, times in wall_times.items()}
    print("| run | median, s | range, s |\n| --- | --- | --- |")
    print(f"| without audit | {without:.1f} | {spans['without']} |")
    print(f"| with audit and verdict | {audited:.1f} | {spans['with']} |")
    print(f"\nThe audit costs {audited / without - 1:.2f} times the run without it.")


if __name__ == "__main__":
    main()
