"""What a user reads where a configuration is wrong: one plain line for each of Hydra's errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hydra.errors import InstantiationException, MissingConfigException
from omegaconf.errors import MissingMandatoryValue

from harness.errors import InputError

CONF = Path(__file__).resolve().parents[2] / "conf"


def available(group: str) -> list[str]:
    """Members of a configuration group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def listed(group: str) -> str:
    """The same in one line."""
    return ", ".join(available(group))


def plain(error: BaseException) -> str:
    """One line: what was got, what was expected, what to do."""
    cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
    text = re.sub(r"\s+", " ", str(cause)).strip()
    if isinstance(error, InstantiationException) and not isinstance(cause, InputError):
        where = re.search(r"full_key: (\S+)", str(error))
        return f"{where.group(1) if where else 'configuration'}: {text}"
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, member = error.missing_cfg_file.rpartition("/")
        return f"{group}: there is no {member!r}; choose one of {', '.join(error.options)}"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is not set; add {error.full_key}=VALUE"
    for pattern, remedy in _HYDRA.items():
        if found := re.match(pattern, text):
            return str(remedy(*found.groups()))
    return text


def _without_plus(group: str) -> str:
    return f"{group} is chosen with a plus: +{group}=NAME with one of {listed(group)}"


def _given_twice(group: str) -> str:
    return f"{group} is given twice, or with a plus that it does not take; write it once"


def _unknown_setting(key: str, addition: str) -> str:
    return f"there is no setting {key!r}; --help lists them; one that only the code knows: {addition}"


def _several_values(argument: str) -> str:
    return f"{argument}: several values; add -m to sweep over them, or write a list as key=[a,b]"


def _no_member(group: str, member: str) -> str:
    return f"{group}: there is no {member!r}; choose one of {listed(group)}"


_HYDRA: dict[str, Callable[..., str]] = {  # Hydra's own texts run over several lines and speak of defaults lists
    r"In '\w+': Could not load '(\w+)/([^']+)'": _no_member,
    r"Could not override '([^']+)'\. No match in the defaults list": _without_plus,
    r"Could not override '([^']+)'\. To append to your config use (\S+)": _unknown_setting,
    r"Multiple values for (\S+?)\. ": _given_twice,
    r"Ambiguous value for argument '(.+?)' 1\.": _several_values,
}
