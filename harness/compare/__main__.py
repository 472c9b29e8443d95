"""``python -m harness.compare``: the runs of one experiment as a table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.types import InputError

if TYPE_CHECKING:
    import pandas as pd

EPILOG = """examples:
  python -m harness.compare                        the only experiment in mlruns/mlflow.db
  python -m harness.compare bbbc021 --split leave_batch_out
  python -m harness.compare demo --metric audit/controls_vs_controls/lightgbm/auroc --csv table.csv
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m harness.compare",
        description="Compare the runs of one experiment: held-out scores with intervals, batch probe, paired "
        "differences to raw. Reads what was recorded; runs nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("experiment", nargs="?", help="MLflow experiment (default: the only one there is)")
    p.add_argument("--uri", default="sqlite:///mlruns/mlflow.db", help="MLflow tracking store (default: %(default)s)")
    p.add_argument("--data", help="only runs on this data (name, or start of the fingerprint)")
    p.add_argument("--split", help="only runs with this split (name, or start of the fingerprint)")
    p.add_argument("--each", action="store_true", help="one table for each data set and split found")
    p.add_argument("--metric", action="append", default=[], help="a further metric to show; may be repeated")
    p.add_argument("--csv", help="also write the table to this file")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 with a table, 2 with one line on stderr where there is nothing to compare."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    options = parser().parse_args(argv)
    try:
        compare(options)
    except InputError as error:
        print(f"harness.compare: {error}", file=sys.stderr)
        return 2
    return 0


def compare(options: argparse.Namespace) -> None:
    """Read the runs, form groups that may be compared, print each."""
    from harness.compare.table import StoredRun, group_of
    from harness.track import Tracking

    tracking = Tracking(uri=options.uri, experiment=options.experiment or "")
    if options.experiment is None:
        tracking.experiment = tracking.only_experiment()
    groups: dict[tuple[str, str], list[StoredRun]] = {}
    for run in tracking.records():
        data, split = group_of(run)
        same_data = _matches(options.data, run.tags.get("data", ""), data)
        if same_data and _matches(options.split, run.tags.get("split", ""), split):
            groups.setdefault((data, split), []).append(run)
    if not groups:
        raise InputError(f"no runs to compare in experiment {tracking.experiment!r} of {options.uri}")
    if len(groups) > 1 and not options.each:
        raise InputError(_ambiguous(groups))
    if options.csv and len(groups) > 1:
        raise InputError("--csv writes one table; choose one with --data and --split")
    for runs in groups.values():
        show_group(tracking.experiment, runs, options)
    if not options.uri.startswith("http"):
        print(f"In a browser: mlflow ui --backend-store-uri {options.uri}, then open")
    print(tracking.page())


def _matches(wanted: str | None, name: str, fingerprint: str) -> bool:
    return wanted is None or wanted == name or fingerprint.startswith(wanted)


def _ambiguous(groups: Mapping[tuple[str, str], Sequence[object]]) -> str:
    found = []
    for (data, split), runs in groups.items():
        tags = getattr(runs[0], "tags", {})
        flags = f"--data {data[:8]} --split {split[:8]}"
        found.append(f"{len(runs)} runs on {tags.get('data')!r} {tags.get('split')!r} ({flags})")
    listed = "; ".join(found)
    return f"runs of different data or splits cannot stand in one table; choose one, or use --each. Found: {listed}"


def show_group(experiment: str, runs: Sequence[object], options: argparse.Namespace) -> None:
    """One table of finished runs, then what did not finish and what to be careful about."""
    from harness.compare.table import REFERENCE, StoredRun, comparison, differing_settings, latest
    from harness.compare.terminal import show

    chosen: dict[str, StoredRun] = latest(runs)  # type: ignore[arg-type]
    finished = {label: run for label, run in chosen.items() if run.status == "FINISHED"}
    tags = next(iter(chosen.values())).tags
    if finished:
        table = comparison(finished, extra=options.metric)
        order = table["norm"].ne(REFERENCE)
        table = table.assign(_order=order).sort_values(["_order", "norm"], kind="stable").drop(columns="_order")
        show(table, f"{experiment}: {tags.get('data')}, {tags.get('split')}", extra=options.metric)
        print("Means over held-out folds, in brackets the 95% interval (plates within batches, batches above them).")
        if not any(run.name == REFERENCE for run in finished.values()):
            print("No finished run of raw here: no paired differences. Add one with +norm=raw.")
        if options.csv:
            _write(table, options.csv)
    for label, run in chosen.items():
        if run.status != "FINISHED":
            print(f"{run.status} {label}: {run.tags.get('failure', 'no result (still running, or cut off)')}")
    for key, values in differing_settings(finished).items():
        print(f"Careful: {key} differs between these runs: {', '.join(values)}")


def _write(table: pd.DataFrame, path: str) -> None:
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"--csv {path}: cannot be written ({error})") from error


if __name__ == "__main__":
    sys.exit(main())
