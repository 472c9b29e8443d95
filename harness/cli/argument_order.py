"""Parse options and overrides of a command line in any order; Hydra's parser expects all overrides in one place."""

from __future__ import annotations

from argparse import Action
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra._internal.utils import get_args_parser

from harness.core.exceptions import InputError


@dataclass(frozen=True)
class Arguments:
    """A parsed command line.

    Attributes
    ----------
    options : as they were written, each before the value it takes.
    overrides : ``key=value`` and the like.
    values : of options by their names in Hydra's parser, e.g. ``help``, ``config_dir``; None of those without one.
    """

    options: Sequence[str]
    overrides: Sequence[str]
    values: Mapping[str, str | None]


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Separate options with their values from overrides, each in the order of the command line.

    Words after ``--`` are overrides.

    Raises
    ------
    InputError : an unknown option, or one without its value or with a value that it does not take.
    """
    actions = _actions()
    options: list[str] = []
    overrides: list[str] = []
    values: dict[str, str | None] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            overrides += rest
            break
        if not word.startswith("-") or word == "-":
            overrides.append(word)
            continue
        name, equals, value = word.partition("=")
        action = _action(actions, name)
        options.append(word)
        values[action.dest] = value if equals else None
        if action.nargs == 0:
            continue
        if not equals and rest and _is_value(action, rest[0]):
            value, equals = rest.pop(0), "="
            options.append(value)
            values[action.dest] = value
        _check(action, name, value if equals else None)
    return Arguments(options, overrides, values)


def _actions() -> Mapping[str, Action]:
    """Return Hydra's options by their spellings."""
    return {name: action for action in get_args_parser()._actions for name in action.option_strings}


def _action(actions: Mapping[str, Action], name: str) -> Action:
    """Return the option with a spelling, or with a prefix that only one option has."""
    if name in actions:
        return actions[name]
    matching = {id(action): action for key, action in actions.items() if name[:2] == "--" and key.startswith(name)}
    if len(matching) == 1:
        return next(iter(matching.values()))
    if matching:
        candidates = ", ".join(sorted(key for key in actions if key.startswith(name)))
        raise InputError(f"{name} can mean {candidates}; write it in full")
    raise InputError(f"there is no option {name}; --hydra-help lists them, settings are written key=value")


def _is_value(action: Action, word: str) -> bool:
    """Return whether ``word`` is the value of the option before it.

    An option with an optional value takes only one of its choices.
    """
    return not word.startswith("-") and (action.nargs != "?" or action.choices is None or word in action.choices)


def _check(action: Action, name: str, value: str | None) -> None:
    choices = None if action.choices is None else [str(choice) for choice in action.choices]
    expected = f"one of {', '.join(choices)}" if choices else "a value"
    if value is None and action.nargs != "?":
        raise InputError(f"{name} needs {expected} after it")
    if value is not None and choices and value not in choices:
        raise InputError(f"{name} {value}: expected {expected}")
