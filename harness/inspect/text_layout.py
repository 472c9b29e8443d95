"""Lay out plain text in a terminal's width."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections.abc import Sequence

NARROWEST, WIDEST = 72, 120  # columns


def text_width() -> int:
    """Return the width of lines: that of the terminal, 80 if the output goes elsewhere."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROWEST), WIDEST)


def align_columns(rows: Sequence[Sequence[str]], *, width: int, indent: int = 2, last: int = 26) -> list[str]:
    """Return rows as aligned columns; the last is wrapped, and the one before it leaves ``last`` characters for it."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    room = width - indent - 2 * len(widths)
    widths[-1] = min(widths[-1], max(room - sum(widths[:-1]) - last, 12))
    last = max(room - sum(widths), 16)
    lines = []
    for row in rows:
        cells = [_wrapped(cell, w) for cell, w in zip(row, [*widths, last], strict=True)]
        for i in range(max(map(len, cells))):
            line = "  ".join(
                (cell[i] if i < len(cell) else "").ljust(w) for cell, w in zip(cells, [*widths, last], strict=True)
            )
            lines.append((" " * indent + line).rstrip())
    return lines


def wrap_paragraph(label: str, text: str, *, width: int, indent: int = 2) -> list[str]:
    """Return ``label`` and a text next to it, wrapped under itself."""
    first = " " * indent + label
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


def command_lines(words: Sequence[str], *, width: int) -> list[str]:
    """Return a command that a shell reads as ``words``, over several lines if it is long."""
    lines = [""]
    for word in map(_quoted, words):
        if len(lines[-1]) + len(word) + 5 > width and lines[-1]:
            lines[-1] += " \\"
            lines.append("  " + word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip() if len(lines) == 1 else f"{lines[-1]} {word}"
    return ["  " + line for line in lines]


def _quoted(word: str) -> str:
    """Return a word for a shell, in double quotes if it has single ones and nothing that double quotes would change."""
    return f'"{word}"' if "'" in word and not set('"$`!\\') & set(word) else shlex.quote(word)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
