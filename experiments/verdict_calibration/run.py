"""Calibration of the verdict: simulated screens with planted truth, many seeds, one verdict each.

Run again after an interruption: finished audits are in out/verdicts.jsonl and are not made again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

from threadpoolctl import threadpool_limits

from experiments.verdict_calibration.audit import Row, audit, decide_again, stored
from experiments.verdict_calibration.cells import Cell, matching
from experiments.verdict_calibration.report import draw, frequencies, markdown

OUT = Path(__file__).resolve().parent / "out"
TASKS_PER_PROCESS = 50  # then a new process starts: libraries keep some memory of each screen
PICTURE = OUT.parent / "verdicts.png"


def tasks(
    cells: Sequence[Cell], *, first: int, n_seeds: int | None, done: set[tuple[str, int]]
) -> list[tuple[Cell, int]]:
    """Return the missing audits, a seed of every cell after the other, so that a run cut short shows all cells."""
    missing = [
        (number, cell, first + number)
        for cell in cells
        for number in range(cell.n_seeds if n_seeds is None else n_seeds)
        if (cell.name, first + number) not in done
    ]
    return [(cell, seed) for _, cell, seed in sorted(missing, key=lambda task: task[0])]


def run_audit(task: tuple[Cell, int]) -> Row:
    """Make one audit on one core."""
    with threadpool_limits(1):
        return audit(*task)


def run_audits(missing: Iterable[tuple[Cell, int]], *, workers: int, seconds: float) -> Iterator[Row]:
    """Yield audits as they finish; none is begun after ``seconds``."""
    end, todo = time.monotonic() + seconds, iter(missing)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=TASKS_PER_PROCESS) as pool:
        running: set[Future[Row]] = {pool.submit(run_audit, task) for task in islice(todo, workers)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            if time.monotonic() < end:
                running |= {pool.submit(run_audit, task) for task in islice(todo, len(finished))}
            for future in finished:
                yield future.result()


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="part of a cell's name, with * and ?")
    parser.add_argument("--seeds", type=int, help="screens for each cell (default: 20 or 50, as the cell requires)")
    parser.add_argument("--first", type=int, default=100, help="first seed; 0 to 4, 100 and 101 were looked at")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no audit after so long")
    parser.add_argument("--again", action="store_true", help="only decide again, on the findings of finished audits")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the finished audits")
    parser.add_argument("--picture", type=Path, help=f"draw the table into this file, e.g. {PICTURE.name}")
    return parser.parse_args()


def main() -> None:
    """Make the audits that are missing, print the table, draw it."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    path, cells = options.out / "verdicts.jsonl", matching(options.cells)
    rows = list(stored(path))
    if options.again:
        rows = [decide_again(row) for row in rows]
    else:
        done = {(row["cell"], row["seed"]) for row in rows}
        missing = tasks(cells, first=options.first, n_seeds=options.seeds, done=done)
        with path.open("a") as file:
            for row in run_audits(missing, workers=options.workers, seconds=60 * options.minutes):
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
    used = [row for row in rows if options.first <= row["seed"]]
    if options.first < 100:
        used = [row for row in used if row["seed"] < 100]
    table = frequencies(cells, used)
    print(markdown(table))
    if options.picture and len(table):
        draw(table).savefig(options.picture)


if __name__ == "__main__":
    main()
