"""The command of ``python -m harness.montage``: everything heavy is imported once its configuration is composed."""

from __future__ import annotations

from omegaconf import DictConfig

from harness.cli.check_settings import check_settings
from harness.cli.command import command
from harness.utils.interruption import defer_interrupts


def write_montage(cfg: DictConfig) -> None:
    """Write the sheet that ``cfg`` describes."""
    check_settings(cfg, "montage")
    with defer_interrupts():
        from harness.montage.contact_sheet import write_contact_sheet
    write_contact_sheet(cfg)


def cli() -> int:
    """Run ``python -m harness.montage`` and return its exit status; missing images are reported and no error."""
    return command("montage", write_montage)
