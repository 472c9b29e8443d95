"""Command-line options that select runs of one experiment by data and split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only prints its help imports no pandas
    import argparse

    from harness.tracking.stored_run import StoredRun


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the experiment, ``--uri``, ``--data`` and ``--split``."""
    parser.add_argument("experiment", nargs="?", help="MLflow experiment (default: the only one there is)")
    parser.add_argument(
        "--uri", default="sqlite:///mlruns/mlflow.db", help="MLflow tracking store (default: %(default)s)"
    )
    parser.add_argument("--data", help="only runs on this data (name, or start of the fingerprint)")
    parser.add_argument("--split", help="only runs with this split (name, or start of the fingerprint)")


def is_selected(run: StoredRun, *, data: str | None, split: str | None) -> bool:
    """Return whether a run has the data and the split of the options: a name, or the start of a fingerprint."""
    from harness.tracking.stored_run import group_of

    names = run.tags.get("data", ""), run.tags.get("split", "")
    return all(
        choice is None or choice == name or fingerprint.startswith(choice)
        for choice, name, fingerprint in zip((data, split), names, group_of(run), strict=True)
    )


def describe_group(run: StoredRun) -> str:
    """Return data and split of a run by name, with the options that select them."""
    from harness.tracking.stored_run import group_of

    data, split = group_of(run)
    return f"{run.tags.get('data')!r} {run.tags.get('split')!r} (--data {data[:8]} --split {split[:8]})"
