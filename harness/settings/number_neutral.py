"""Settings that change no number of a run: where and how it is made and kept."""

from __future__ import annotations

NUMBER_NEUTRAL = (
    "tracking", "cache", "units", "resume", "force", "processes", "hydra",
    "tuning.workers", "tuning.log_trials", "tuning.storage",
)  # fmt: skip


def changes_numbers(key: str) -> bool:
    """Return whether the setting at a dotted key can change a number."""
    return not any(key == name or key.startswith(f"{name}.") for name in NUMBER_NEUTRAL)
