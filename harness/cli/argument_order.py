"""Options and overrides of a command line in any order; Hydra's parser wants all overrides in one place."""

from __future__ import annotations

from argparse import Action
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra._internal.utils import get_args_parser

from harness.core.exceptions import InputError


@dataclass(frozen=True)
class Arguments:
    """A command line.

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
    """Return the options, with the values they take, and the overrides; each in the order it was given.

    Words behind ``--`` are overrides.

    Raises
    ------
    InputError : an option that there is not, or one without its value or with another than it takes.
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
        name, equals, given = word.partition("=")
        action = _action(actions, name)
        options.append(word)
        values[action.dest] = given if equals else None
        if action.nargs == 0:
            continue
        if not equals and rest and _is_value(action, rest[0]):
            given, equals = rest.pop(0), "="
            options.append(given)
            values[action.dest] = given
        _check(action, name, given if equals else None)
    return Arguments(options, overrides, values)


def _actions() -> Mapping[str, Action]:
    """Return hydra's options by their spellings."""
    return {name: action for action in get_args_parser()._actions for name in action.option_strings}


def _action(actions: Mapping[str, Action], name: str) -> Action:
    """Return the option of a spelling, or of a beginning that only one option has."""
    if name in actions:
        return actions[name]
    matching = {id(action): action for key, action in actions.items() if name[:2] == "--" and key.startswith(name)}
    if len(matching) == 1:
        return next(iter(matching.values()))
    if matching:
        meant = ", ".join(sorted(key for key in actions if key.startswith(name)))
        raise InputError(f"{name} can mean {meant}; write it in full")
    raise InputError(f"there is no option {name}; --hydra-help lists them, settings are written key=value")


def _is_value(action: Action, word: str) -> bool:
    """Return whether ``word`` belongs to the option before it; of an option that needs none, only a choice of its own
    does.
    """
    return not word.startswith("-") and (action.nargs != "?" or action.choices is None or word in action.choices)


def _check(action: Action, name: str, given: str | None) -> None:
    choices = None if action.choices is None else [str(choice) for choice in action.choices]
    wanted = f"one of {', '.join(choices)}" if choices else "a value"
    if given is None and action.nargs != "?":
        raise InputError(f"{name} needs {wanted} behind it")
    if given is not None and choices and given not in choices:
        raise InputError(f"{name} {given}: expected {wanted}")
