"""The command of ``python -m harness.apply``: everything heavy is imported once its configuration is composed."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from harness.cli.check_settings import check_settings
from harness.cli.chosen_norm import resolve_norm
from harness.cli.command import command
from harness.utils.interruption import defer_interrupts


def apply(cfg: DictConfig) -> None:
    """Normalize the screen of ``cfg`` and write profiles, statistics and provenance, all or none."""
    if not OmegaConf.is_missing(cfg, "norm"):
        resolve_norm(cfg)
    check_settings(cfg, "apply")
    with defer_interrupts():
        from harness.apply.profiles import apply_config
    apply_config(cfg)


def cli() -> int:
    """Run ``python -m harness.apply`` and return its exit status (:func:`harness.cli.command.command`)."""
    return command("apply", apply)
