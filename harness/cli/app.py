"""The command ``python -m harness``; nothing heavy is imported before the configuration was checked."""

from __future__ import annotations

from omegaconf import DictConfig

from harness.cli.check_settings import check_settings
from harness.cli.chosen_norm import resolve_norm
from harness.cli.command import command
from harness.cli.search_spaces import fill_search_spaces
from harness.cli.sweep_counts import format_counts
from harness.cli.worker_channel import JobResult
from harness.utils.interruption import defer_interrupts


def evaluate_config(cfg: DictConfig) -> str:
    """Make and record the evaluation that ``cfg`` describes, unless it is finished; return the outcome."""
    name = resolve_norm(cfg)
    check_settings(cfg, "config")
    fill_search_spaces(cfg)  # they are a part of what makes two runs the same
    with defer_interrupts():
        from harness.cli.screen_key import screen_key
    data = screen_key(cfg)
    with defer_interrupts():
        from harness.cli.evaluation import record_evaluation
    return record_evaluation(cfg, name, data)


def cli() -> int:
    """Run ``python -m harness`` and return its exit status (:func:`harness.cli.command.command`).

    After a sweep, print how many evaluations were new, re-run, skipped and failed.
    """
    results: list[JobResult] = []
    status = command("config", evaluate_config, results)
    if len(results) > 1:
        print(format_counts(result.outcome for result in results))
    return status
