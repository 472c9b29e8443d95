"""From a Hydra configuration to its evaluation: nothing heavy is imported before the configuration was checked."""

from __future__ import annotations

from omegaconf import DictConfig

from harness.cli.check_settings import check_settings
from harness.cli.chosen_norm import chosen_norm
from harness.cli.command import command
from harness.cli.notices import say_once
from harness.cli.search_spaces import fill_search_spaces
from harness.cli.sweep_counts import count_outcomes, format_counts
from harness.core.exceptions import InputError
from harness.program.run_program import BAD_INPUT
from harness.utils.interruption import held_back


def evaluate_config(cfg: DictConfig) -> None:
    """Evaluate and record what ``cfg`` describes, unless that is done already."""
    name = chosen_norm(cfg)
    check_settings(cfg, "config")
    fill_search_spaces(cfg)  # fills in search spaces: a part of what is asked for
    with held_back():
        from harness.cli.screen_key import screen_key
    data = screen_key(cfg)
    with held_back():
        from harness.cli.evaluation import record_evaluation
    record_evaluation(cfg, name, data)


def cli() -> int:
    """Return ``python -m harness``: see :func:`command`; of a sweep, what became of its evaluations is said at the
    end.
    """
    try:
        with count_outcomes() as counts:
            status = command("config", evaluate_config)
    except InputError as error:  # no room for temporary files
        say_once(f"harness: {error}")
        return BAD_INPUT
    if counts.total() > 1:
        print(format_counts(counts))
    return status
