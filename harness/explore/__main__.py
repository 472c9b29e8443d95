"""``python -m harness.explore``: maps of recorded runs as one interactive page."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from harness.core.exceptions import InputError
from harness.program.run_program import run_program
from harness.tracking.run_selection import add_run_options
from harness.utils.output_file import write_output

_TITLE = "Map of wells: "

EPILOG = """examples:
  python -m harness.explore                         every normalization of the only experiment in mlruns/mlflow.db
  python -m harness.explore demo --out demo.html
  python -m harness.explore demo --run 3f2a --run 9c01    these two runs
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m harness.explore",
        description="Write one HTML file with the UMAP of recorded runs: pan, zoom, slide over plates, filter, lasso, "
        "switch between normalizations. It opens from disk and needs no network. Runs nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_run_options(p)
    p.add_argument("--run", action="append", default=[], help="id of a run, or its start; may be repeated")
    p.add_argument("--out", default="explorer.html", help="file to write (default: %(default)s)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Return exit status 0 after writing a page, 2 after one line on stderr if there is nothing to show."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    options = parser().parse_args(argv)
    try:
        explore(options)
    except InputError as error:
        print(f"harness.explore: {error}", file=sys.stderr)
        return 2
    return 0


def explore(options: argparse.Namespace) -> None:
    """Read the runs and write the page."""
    from harness.explore.page import explorer_page
    from harness.explore.stored import select_runs, views_of
    from harness.tracking.tracking import Tracking

    tracking = Tracking(uri=options.uri, experiment=options.experiment or "")
    if options.experiment is None:
        tracking.experiment = tracking.only_experiment()
    records = {record.run.info.run_id: record for record in tracking.records()}
    runs = select_runs(records, ids=options.run, data=options.data, split=options.split)
    views = views_of(runs)
    document = explorer_page(views, title=f"{_TITLE}{tracking.experiment}")
    write_output(options.out, document, mark=f"<title>{_TITLE}", option="--out")
    names = [view.name for view in views]
    print(f"{max(len(view.points) for view in views):,} points, {len(views)} normalizations ({', '.join(names)})")
    if without := [name for name in runs if name not in names]:
        print(f"Left out because they have no map (figure umap or explorer): {', '.join(without)}")
    print(f"Page: {options.out} ({len(document) / 1e6:.1f} MB); open it in a browser")


if __name__ == "__main__":
    sys.exit(run_program("harness.explore", lambda: main))
