"""``python -m harness.compare``: the runs of one experiment as a table and as a page."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.core.exceptions import InputError
from harness.program.run_program import run_program
from harness.tracking.run_selection import add_run_options, describe_group
from harness.utils.output_file import write_output
from harness.utils.redaction import redacted

if TYPE_CHECKING:
    import pandas as pd

    from harness.compare.comparison_group import ComparisonGroup
    from harness.tracking.stored_run import StoredRun
    from harness.tracking.tracking import Tracking

EPILOG = """examples:
  python -m harness.compare                        the only experiment in mlruns/mlflow.db
  python -m harness.compare bbbc021 --split leave_batch_out
  python -m harness.compare demo --html report.html    one page to send around, also kept as a run of its own
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
    add_run_options(p)
    p.add_argument("--each", action="store_true", help="one table for each data set and split found")
    p.add_argument("--metric", action="append", default=[], help="a further metric to show; may be repeated")
    p.add_argument("--csv", help="also write the table to this file")
    p.add_argument("--html", help="also write everything as one page to this file, and log it as a run `comparison`")
    p.add_argument("--no-log", action="store_true", help="with --html: do not log the page")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Return exit status 0 after printing a table, 2 after one line on stderr if there is nothing to compare."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    words = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(words)
    try:
        compare(options, command=redacted(shlex.join(["python", "-m", "harness.compare", *words])))
    except InputError as error:
        print(f"harness.compare: {error}", file=sys.stderr)
        return 2
    return 0


def compare(options: argparse.Namespace, *, command: str) -> None:
    """Read the runs, group those that may be compared and print each group; ``command`` is written into the page."""
    from harness.compare.comparison_group import comparison_group
    from harness.tracking.run_selection import is_selected
    from harness.tracking.stored_run import group_of
    from harness.tracking.tracking import COMPARISON, Tracking

    tracking = Tracking(uri=options.uri, experiment=options.experiment or "")
    if options.experiment is None:
        tracking.experiment = tracking.only_experiment()
    runs_by_group: dict[tuple[str, str], list[StoredRun]] = {}
    for run in tracking.records():
        if run.tags.get("kind") == COMPARISON:
            continue
        if is_selected(run, data=options.data, split=options.split):
            runs_by_group.setdefault(group_of(run), []).append(run)
    if not runs_by_group:
        raise InputError(f"no runs to compare in experiment {tracking.experiment!r} of {redacted(options.uri)}")
    if len(runs_by_group) > 1 and not options.each:
        raise InputError(_ambiguous(runs_by_group.values()))
    if options.csv and len(runs_by_group) > 1:
        raise InputError("--csv writes one table; choose one with --data and --split")
    groups = [comparison_group(tracking.experiment, runs, extra=options.metric) for runs in runs_by_group.values()]
    for group in groups:
        print_group(group, options)
    if options.html:
        _write_page(groups, options, tracking, command)
    if not options.uri.startswith("http"):
        print(f"In a browser: mlflow ui --backend-store-uri {redacted(options.uri)}, then open")
    print(tracking.page())


def _ambiguous(groups: Iterable[Sequence[StoredRun]]) -> str:
    choices = "; ".join(f"{len(runs)} runs on {describe_group(runs[0])}" for runs in groups)
    return f"runs of different data or splits cannot stand in one table; choose one, or use --each. Found: {choices}"


def print_group(group: ComparisonGroup, options: argparse.Namespace) -> None:
    """Print tables of the finished runs, then unfinished runs and settings that differ."""
    from harness.compare.comparison_group import unfinished_reason
    from harness.compare.table import differing_settings

    if group.finished:
        _print_finished(group, options)
    for label, run in group.unfinished.items():
        print(f"{run.status} {label}: {unfinished_reason(run)}")
    for key, values in differing_settings(group.finished).items():
        print(f"Warning: {key} differs between these runs: {', '.join(values)}")


def _print_finished(group: ComparisonGroup, options: argparse.Namespace) -> None:
    """Print the tables, and the scores of single folds if they are few; write the CSV file if there is the option."""
    from harness.compare.table import REFERENCE
    from harness.compare.terminal import print_comparison, print_scorecards
    from harness.scoring.bootstrap import FEWEST_BATCHES
    from harness.tracking.stored_run import HEADLINE

    data, split = group.tags.get("data"), group.tags.get("split")
    print_scorecards(group)
    print_comparison(group.table, f"{group.experiment}: {data}, {split}", extra=options.metric)
    print(f"Means over held-out folds, in brackets the 95% interval ({group.interval_basis}).")
    if 0 < len(group.heldout_folds) < FEWEST_BATCHES:
        for name, model, by_fold in group.fold_scores(HEADLINE[0]):
            scores = ", ".join(f"{fold} {score:.3f}" for fold, score in by_fold["value"].items())
            print(f"  {name} {model} AUROC by fold: {scores}")
    if not any(run.name == REFERENCE for run in group.finished.values()):
        print("No finished run of raw, so no paired differences; add one with +norm=raw.")
    if options.csv:
        _write_csv(group.table, options.csv)


def _write_page(
    groups: Sequence[ComparisonGroup], options: argparse.Namespace, tracking: Tracking, command: str
) -> None:
    """Write the page to a file and, without ``--no-log``, log it as a run of its own."""
    from harness.compare.report import report

    html = report(groups, command=command)
    write_output(options.html, html, mark="normalizations compared</title>", option="--html")
    print(f"Page: {options.html}")
    if not options.no_log:
        tracking.report(html)


def _write_csv(table: pd.DataFrame, path: str) -> None:
    from harness.utils.spreadsheet_csv import spreadsheet_csv

    write_output(path, str(spreadsheet_csv(table)), mark="norm,scope,verdict", option="--csv")


if __name__ == "__main__":
    sys.exit(run_program("harness.compare", lambda: main))
