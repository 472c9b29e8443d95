"""Hostile command lines: each is refused by one line that names the setting, what was got, and what was expected.

``hostile_settings.txt`` grows: a line is ``words => beginning of the answer``, below a heading with the command.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refusal

pytestmark = pytest.mark.slow

TABLE = Path(__file__).with_name("hostile_settings.txt")
SMALL = {"audit": "[]", "figure": "[]", "baseline": "[]", "metric": "[auroc]", "model": "[logistic]"}
LEAST = 250


def rows() -> list[tuple[str, str, str]]:
    """Command, words and the beginning of the answer of every line of the table."""
    entries, command = [], ""
    for line in TABLE.read_text("utf-8").splitlines():
        if line.startswith("# "):
            command = line.split()[1].rstrip(":")
        elif line:
            words, arrow, answer = line.partition(" => ")
            assert arrow, line
            entries.append((command, words, answer))
    return entries


def completed(command: str, words: str) -> list[str]:
    """The words with a normalization, and with few members in the groups that they do not mention: it is faster."""
    given = words.split(" ")
    keys = [word.lstrip("+~").partition("=")[0].partition(".")[0] for word in given]
    norm = (
        []
        if command == "montage" or any(w.lstrip("+~").partition("=")[0] == "norm" for w in given)
        else ["+norm=dmso_within"]
    )
    few = [f"{group}={members}" for group, members in SMALL.items() if group not in keys] if command == "config" else []
    return [*norm, *few, *given]


@pytest.mark.parametrize(("command", "words", "answer"), rows(), ids=[f"{c} {w}" for c, w, _ in rows()])
def test_a_hostile_command_line_is_one_line(command: str, words: str, answer: str) -> None:
    line = refusal(*completed(command, words), command=command)
    assert line is not None, "accepted"
    assert "\n" not in line
    assert line.startswith(answer)


def test_the_table_is_long_and_says_each_thing_once() -> None:
    words = [(command, words) for command, words, _ in rows()]
    assert len(words) >= LEAST
    assert len(set(words)) == len(words)
