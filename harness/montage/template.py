"""Path of the image of a well: a template with fields in braces, which values from data cannot leave."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.exceptions import InputError
from harness.data.columns.well_names import position
from harness.settings.limits.texts import LONGEST_NAME
from harness.utils.text import normalize_id

FIELDS = ("plate", "well", "row", "column", "site", "channel", "batch")
_NUMBERS = ("row", "column", "site")
_NO_PADDING = re.compile(r"[{/]|\d{3}")


class Refused(Exception):  # noqa: N818 - the status of one image, drawn in its place
    """Refusal of a value from data in a path; the message names the value and the reason."""


class Template:
    """Template of a path such as ``images/{plate}/{well}_s{site}_{channel}.tif``.

    Fields: ``plate, well, row, column, site, channel, batch``; ``row`` and ``column`` are numbers from 1 and like
    ``site`` can be padded, ``{column:02d}``. The folder before the first field is the user's choice; below it no value
    adds or climbs a folder (symbolic links there are followed).

    Raises
    ------
    InputError : an unknown field, or one with an attribute, an index or a conversion; no ``{well}`` or ``{row}`` and
        ``{column}``; no ``{channel}`` for several channels.
    """

    def __init__(self, text: str, channels: Sequence[str]) -> None:
        self.text = text
        got = f"images.template={text!r}"
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise InputError(f"{got}: {error}; expected fields in braces, e.g. {{plate}}/{{well}}.tif") from error
        self.fields = [name for _, name, _, _ in parts if name is not None]
        if unknown := [name for name in self.fields if name not in FIELDS]:
            raise InputError(f"{got}: unknown fields {unknown}; expected some of {list(FIELDS)}")
        if any(conversion for *_, conversion in parts):
            raise InputError(f"{got}: conversions such as !r have no place in a path; drop them")
        if any(_NO_PADDING.search(spec or "") for _, _, spec, _ in parts):
            raise InputError(f"{got}: a format may pad a number, as in {{site:02d}}, to at most 99, and nothing else")
        if "well" not in self.fields and not {"row", "column"} <= set(self.fields):
            raise InputError(f"{got}: says nothing of the well; add {{well}}, or {{row}} and {{column}}")
        if len(channels) > 1 and "channel" not in self.fields:
            raise InputError(f"{got}: has no {{channel}} to tell {list(channels)} apart; add it, or name one channel")
        before = text.partition("{")[0] if self.fields else text
        self.root = Path(before[: before.rfind("/") + 1] or ".")
        self._below = text[before.rfind("/") + 1 :]

    def path(self, values: Mapping[str, object]) -> Path:
        """Return the path for ``plate, well, site, channel`` and optionally ``batch``.

        Raises
        ------
        Refused : a value is missing, empty, or could leave the folder.
        InputError : a format that does not fit a value.
        """
        place = position(normalize_id(values.get("well")))
        fields = dict(values) if place is None else {**values, "row": place.row, "column": place.column}
        filled = {name: _checked(name, fields.get(name)) for name in dict.fromkeys(self.fields)}
        try:
            below = self._below.format_map(filled)
        except ValueError as error:
            raise InputError(f"images.template={self.text!r}: {error} for {filled}; change the format") from error
        if ".." in Path(below).parts:
            raise Refused(f"{below!r} climbs out of {str(self.root)!r}")
        return self.root / below


def _checked(name: str, value: object) -> str | int:
    text = normalize_id(value)
    if not text:
        raise Refused(f"{name} is not known")
    if any(mark in text for mark in "/\\\0") or text in (".", ".."):
        raise Refused(f"{name} {text!r} is no name of a file or folder")
    if len(text.encode("utf-8", "replace")) > LONGEST_NAME:
        raise Refused(f"{name} {text[:40]!r}... is too long for the name of a file or folder")
    return int(text) if name in _NUMBERS and text.isascii() and text.isdigit() else text
