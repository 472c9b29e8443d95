"""Check the words of a command line before Hydra composes, which would answer with a traceback or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep

from harness.cli.literal_overrides import parse_override
from harness.core.exceptions import InputError
from harness.settings.limits import FilePath
from harness.settings.members import Groups
from harness.settings.problem import format_value, hint

CHAINS = "norm"  # the group whose list is a chain
_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
_JOBS = "hydra.launcher.n_jobs"
_LONGEST, _LONGEST_KEY = 10_000, 200  # characters
_MOST_DIGITS = 400
_DEEPEST = 20  # levels of lists and mappings
_MOST_JOBS = 100_000  # of one sweep


def check_overrides(words: Sequence[str]) -> None:
    """Refuse members that are no names, sweeps over nothing, and impossible folders.

    Raises
    ------
    InputError : the first word that cannot be used.
    """
    check_sizes(words)
    groups = Groups.of(list(_folders(words)))
    names = [*groups.groups(), "experiment"]
    jobs = 1
    for word in words:
        override = None if word.startswith("-") else parse_override(word)
        if override is None or override.is_delete():
            continue
        key = override.key_or_group
        if not key:
            raise InputError(f"{word[:80]}: names no setting; a setting is written key=VALUE")
        values = list(_values(override, groups))
        jobs *= len(values)
        if jobs > _MOST_JOBS:
            raise InputError(f"{word[:80]}: the sweep has over {_MOST_JOBS:,} jobs; list fewer values")
        if key in names:
            for value in values:
                _check_member(key, value, groups)
        for value in values if key in _FOLDERS else ():
            _check_folder(key, value)
        for value in values if key == _JOBS else ():
            if not isinstance(value, int) or isinstance(value, bool) or not -1024 <= value <= 1024 or value == 0:
                expected = "a whole number of workers from 1 to 1,024, or -1 for one on each core"
                raise InputError(f"{_JOBS}={format_value(value)}: expected {expected}")


def check_sizes(words: Sequence[str]) -> None:
    """Refuse words on which Hydra's grammar would spend minutes or the whole stack.

    Raises
    ------
    InputError : the first word that is too long, nested too deeply, or holds a number of too many digits.
    """
    for word in words:
        key = word.partition("=")[0]
        if len(word) > _LONGEST:
            remedy = "put long lists into a yaml, see --config-dir"
            raise InputError(f"{key[:40]}: {len(word):,} characters; expected at most {_LONGEST:,}: {remedy}")
        if len(key) > _LONGEST_KEY and not word.startswith("-"):
            raise InputError(f"{key[:40]}...: there is no setting with a name of {len(key)} characters")
        if re.search(rf"\d{{{_MOST_DIGITS}}}", word):
            raise InputError(f"{key}: got a number of over {_MOST_DIGITS} digits; expected fewer")
        depth = accumulate((mark in "[{") - (mark in "]}") for mark in word)
        if max(depth, default=0) > _DEEPEST:
            raise InputError(f"{key}: nested too deeply; expected at most {_DEEPEST} levels of brackets")


def _folders(words: Iterable[str]) -> Iterator[Path]:
    """Yield the folders of ``--config-dir`` and ``hydra.searchpath``.

    Raises
    ------
    InputError : ``--config-dir`` names no folder.
    """
    words = list(words)
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        option, equals, value = word.partition("=")
        if option in ("--config-dir", "-cd"):
            folder = Path(value if equals else following)
            if not folder.is_dir():
                raise InputError(f"--config-dir {folder}: there is no such folder")
            yield folder.absolute()
        elif option.lstrip("+") == "hydra.searchpath":
            override = parse_override(word)
            paths = override.value() if override is not None else []
            yield from (Path(str(path).removeprefix("file://")) for path in (paths if isinstance(paths, list) else []))


def _values(override: Override, groups: Groups) -> Iterator[Any]:
    """Yield the values of an override: one, unless it is a sweep.

    Raises
    ------
    InputError : a sweep over nothing, or over numbers without steps.
    """
    value = override._value
    key, line = override.key_or_group, str(override.input_line)[:80]
    if isinstance(value, IntervalSweep):
        raise InputError(f"{line}: an interval has no steps; write range(FIRST,LAST,STEP), or values with commas")
    if isinstance(value, RangeSweep):
        start, stop, step = (float(part or 0) for part in (value.start, value.stop, value.step))
        if step == 0 or (stop - start) / step <= 0:
            raise InputError(f"{line}: the range is empty; expected range(FIRST,LAST,STEP) with a value in it")
        if (stop - start) / step > _MOST_JOBS:
            raise InputError(f"{line}: the sweep has over {_MOST_JOBS:,} jobs; list fewer values")
        yield from [None if value.start is None else value.start] * max(1, int((stop - start) / step))
    elif isinstance(value, Glob):
        members = groups.members(key)
        matching = [name for name in members if value.filter([name])]
        if not matching:
            suggestion = hint(value.include[0].strip("*?") if value.include else "", members)
            raise InputError(f"{line}: matches no member of {key}; {suggestion}choose from {', '.join(members)}")
        yield from matching
    elif isinstance(value, ChoiceSweep):
        if not value.list:
            raise InputError(f"{line}: nothing to sweep over; list values with commas")
        yield from (override._convert_value(part) for part in value.list)
    else:
        yield override.value()


def _check_member(group: str, value: Any, groups: Groups) -> None:
    listed = groups.takes_list(group) or group in (CHAINS, "experiment")
    members = groups.members(group)
    plus = "+" if group in (CHAINS, "experiment") else ""
    form = f"{plus}{group}=NAME" + (f" or {plus}{group}=[NAME,...]" if listed else "")
    entries = value if isinstance(value, list) else [value]
    if isinstance(value, list) and not listed:
        raise InputError(f"{group}={format_value(value)}: {group} takes one member, not a list; expected {form}")
    if group == CHAINS and value == []:
        raise InputError(f"{group}=[]: no normalization in the list; expected {form} with {', '.join(members)}")
    for entry in entries:
        if not isinstance(entry, str) or not entry.strip():
            expected = f"expected {form} with {', '.join(members)}"
            raise InputError(
                f"{group}={format_value(value)}: {format_value(entry)} is the name of no member; {expected}"
            )
        if entry not in members and not any(mark in entry for mark in "/@$"):
            suggestion = _in_other_group(entry, groups) or hint(entry, members)
            raise InputError(
                f"{group}: there is no {format_value(entry)}; {suggestion}choose one of {', '.join(members)}"
            )


def _in_other_group(name: str, groups: Groups) -> str:
    """Return how to choose a member of another group; empty if there is none."""
    others = [group for group in groups.groups() if name in groups.members(group) and groups.takes_list(group)]
    return f"{name} is a member of {others[0]}: {others[0]}=[{name}]; " if others else ""


def _check_folder(key: str, value: Any) -> None:
    if not isinstance(value, str) or not FilePath().holds(value):
        raise InputError(f"{key}={format_value(value)}: expected a folder")
    path = Path(value).absolute()
    blocking = next((part for part in (path, *path.parents) if part.exists()), path)
    if not blocking.is_dir():
        raise InputError(f"{key}={value}: {blocking} is no folder; choose another")
