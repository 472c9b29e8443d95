"""Suggest an evaluation command: the overrides of this one, and the settings that the screen needs in addition."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from harness.inspect.applicable import Member, required_settings
from harness.inspect.reading import ScreenOutline

NORM = "dmso_within"  # the method of the field, if it applies
SPLIT = "leave_batch_out"
NARROWER_SPLITS = ("leave_plate_out", "random_wells")


def suggested_words(
    outline: ScreenOutline,
    overrides: Sequence[str],
    *,
    norms: Sequence[Member],
    splits: Sequence[Member],
    data: str,
    on_missing: str,
) -> list[str]:
    """Return the words of a command that evaluates one normalization.

    ``overrides``: those of this command. ``data``, ``on_missing``: the chosen reader, and its setting.
    """
    applying = [member.name for member in norms if not member.reason]
    norm = NORM if NORM in applying else next((name for name in applying if not required_settings("norm", name)), NORM)
    words = ["python", "-m", "harness", f"+norm={norm}"]
    if not any(word.startswith("data=") for word in overrides):
        words.append(f"data={data}")
    words.extend(_without_quotes(word) for word in overrides)
    split = split_to_choose(splits)
    if split != SPLIT:
        words.append(f"split={split}")
    if outline.missing_features and on_missing == "error":
        all_features = outline.missing_features >= len(outline.features)
        words.append(f"data.on_missing={'impute_plate_median' if all_features else 'drop_features'}")
    return words


def split_to_choose(splits: Sequence[Member]) -> str:
    """Return the widest split that applies."""
    applying = [member.name for member in splits if not member.reason]
    return next((name for name in (SPLIT, *NARROWER_SPLITS) if name in applying), SPLIT)


def _without_quotes(word: str) -> str:
    """Return an override without the quotes that Hydra's grammar needs: the command adds them again."""
    key, _, value = word.partition("=")
    if len(value) < 3 or value[0] not in "'\"" or value[-1] != value[0]:
        return word
    try:
        OverridesParser.create().parse_override(f"{key}={value[1:-1]}")
    except HydraException:
        return f"{key}={value[1:-1]}"
    return word
