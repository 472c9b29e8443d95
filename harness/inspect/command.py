"""The command of ``python -m harness.inspect``."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from harness.cli.check_settings import check_settings
from harness.cli.command import command
from harness.core.exceptions import InputError
from harness.data.tables import Tables
from harness.inspect.applicable import judge_members
from harness.inspect.duration import expected_seconds, format_duration
from harness.inspect.facts import facts_of
from harness.inspect.page import Page
from harness.inspect.reading import ScreenOutline, read_screen
from harness.inspect.refusal import columns_of_first_file
from harness.inspect.suggestion import split_to_choose, suggested_words
from harness.inspect.text_layout import text_width

GROUPS = ("norm", "split", "audit", "baseline")


def inspect_config(cfg: DictConfig) -> None:
    """Print the description of the screen that ``cfg`` names."""
    check_settings(cfg, "inspect")
    print("\n".join(page_of(cfg).lines(text_width())))


def page_of(cfg: DictConfig) -> Page:
    """Return the page of a composed configuration.

    Raises
    ------
    InputError : the screen cannot be read, or its batches cannot be assigned.
    """
    source = instantiate(cfg.data, _convert_="all")
    try:
        outline = read_screen(source, instantiate(cfg.batch, _convert_="all"))
    except InputError:
        if isinstance(source, Tables):
            print("\n".join(columns_of_first_file(source, text_width())))
        raise
    facts = facts_of(outline.wells, outline.values, simulated=outline.simulated)
    applicable = {group: judge_members(group, facts) for group in GROUPS}
    choices = HydraConfig.get().runtime.choices
    split = split_to_choose(applicable["split"])
    words = suggested_words(
        outline, HydraConfig.get().overrides.task, norms=applicable["norm"], splits=applicable["split"],
        data=choices["data"], on_missing=str(OmegaConf.select(cfg, "data.on_missing")),
    )  # fmt: skip
    from_column = OmegaConf.select(cfg, "batch.column") == "batch"
    return Page(
        outline, "" if from_column else f"batch={choices['batch']}", applicable, _duration(outline, facts, split), words
    )


def _duration(outline: ScreenOutline, facts: dict[str, int], split: str) -> str:
    n_folds = {"leave_batch_out": facts["batches"], "leave_plate_out": facts["plates"]}.get(split, 5)
    seconds = expected_seconds(outline.wells, len(outline.features), n_folds)
    duration = format_duration(seconds)
    return f"{duration} for one normalization with the default models, checks and figures ({n_folds} folds)"


def cli() -> int:
    """Run ``python -m harness.inspect`` and return its exit status (:func:`harness.cli.command.command`)."""
    return command("inspect", inspect_config)
