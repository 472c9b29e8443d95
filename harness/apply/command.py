"""The command of ``python -m harness.apply``: everything heavy is imported once its configuration is composed."""

from __future__ import annotations

from omegaconf import DictConfig

from harness.cli.command import command
from harness.program.interruption import held_back


def apply(cfg: DictConfig) -> None:
    """Normalize what ``cfg`` describes and write profiles, statistics and provenance, all or none."""
    with held_back():
        from harness.apply.profiles import apply_config
    apply_config(cfg)


def cli() -> int:
    """Exit status as for ``python -m harness``."""
    return command("apply", apply)
