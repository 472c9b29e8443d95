"""Search spaces: mappings, as read from yamls, checked against their model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)
from sklearn.base import clone

from harness.core.exceptions import InputError
from harness.model.encode import Encoded

_NUMBERS = {"float": FloatDistribution, "int": IntDistribution}
_FORMS = (
    "{type: float or int, low: .., high: .., log: true or false}, {choices: [..]}, "
    "or {choices: {NAME: {PARAMETER: VALUE, ..}, ..}}"
)
Bundles = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Space:
    """The search space of one model.

    Attributes
    ----------
    distributions : by name of the choice.
    bundles : for choices that set several parameters together, what each alternative sets.
    default : the choices that do not change the model.
    """

    model: Any
    distributions: dict[str, BaseDistribution]
    bundles: dict[str, Bundles]
    default: dict[str, Any]

    @property
    def stored(self) -> dict[str, str]:
        """The space as text, stored with its study and compared: by name of the choice."""
        texts = {name: distribution_to_json(distribution) for name, distribution in self.distributions.items()}
        return {name: text + json.dumps(self.bundles.get(name, "")) for name, text in texts.items()}

    def settings(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the model under ``choices``."""
        settings: dict[str, Any] = {}
        for name, choice in choices.items():
            settings |= self.bundles[name][choice] if name in self.bundles else {name: choice}
        return settings

    def candidate(self, choices: Mapping[str, Any]) -> Any:
        """Return an unfitted copy of the model with these choices."""
        inside = _prefix(self.model)
        return clone(self.model).set_params(**{inside + k: v for k, v in self.settings(choices).items()})


def _prefix(model: Any) -> str:
    return "model__" if isinstance(model, Encoded) else ""


def space_of(name: str, entries: Mapping[str, Any], model: Any) -> Space:
    """Return the search space of a model.

    Parameters
    ----------
    name : of the model, for messages.
    entries : by parameter (``classifier__C``): ``{type: float, low: 1e-4, high: 1, log: true}`` (or ``int``) or
        ``{choices: [..]}``; or by any name, choices that set several parameters together:
        ``{choices: {l1: {classifier__solver: liblinear, classifier__l1_ratio: 1}, ..}}``. None leaves it out.

    Raises
    ------
    InputError : an unknown parameter, a malformed entry, or a model whose own setting is not among the choices.
    """
    inside = _prefix(model)
    parameters = {k.removeprefix(inside): v for k, v in model.get_params().items() if k.startswith(inside)}
    distributions: dict[str, BaseDistribution] = {}
    bundles: dict[str, Bundles] = {}
    default: dict[str, Any] = {}
    for key, entry in entries.items():
        if entry is None:
            continue
        where = f"tuning.spaces.{name}.{key}"
        if not isinstance(entry, Mapping):
            raise InputError(f"{where}={entry!r}: expected {_FORMS}")
        if isinstance(entry.get("choices"), Mapping):
            bundles[key] = _bundles(where, entry, parameters)
        else:
            _check_known(where, key, parameters)
        distributions[key] = _distribution(where, entry)
        default[key] = _default(where, key, distributions[key], bundles.get(key), parameters)
    return Space(model, distributions, bundles, default)


def _check_known(where: str, parameter: str, parameters: Mapping[str, Any]) -> None:
    if parameter not in parameters:
        plain = sorted(k for k, v in parameters.items() if not hasattr(v, "get_params") and k not in _PIPELINE)
        raise InputError(f"{where}: the model has no parameter {parameter!r}; it has {', '.join(plain)}")


_PIPELINE = ("memory", "steps", "transform_input", "verbose")  # of the pipeline itself


def _bundles(where: str, entry: Mapping[str, Any], parameters: Mapping[str, Any]) -> Bundles:
    bundles: Bundles = {}
    for alternative, settings in entry["choices"].items():
        if not isinstance(settings, Mapping) or not settings:
            raise InputError(f"{where}.choices.{alternative}={settings!r}: expected {{PARAMETER: VALUE, ..}}")
        for parameter in settings:
            _check_known(f"{where}.choices.{alternative}", str(parameter), parameters)
        bundles[str(alternative)] = dict(settings)
    if len({frozenset(settings) for settings in bundles.values()}) > 1:
        sets = [sorted(settings) for settings in bundles.values()]
        raise InputError(f"{where}: every choice must set the same parameters; got {sets}")
    return bundles


def _distribution(where: str, entry: Mapping[str, Any]) -> BaseDistribution:
    options, kind = dict(entry), entry.get("type")
    try:
        if set(options) == {"choices"} and isinstance(options["choices"], list | dict) and len(options["choices"]) > 1:
            choices = list(options["choices"])
            if all(choice is None or isinstance(choice, bool | int | float | str) for choice in choices):
                return CategoricalDistribution(choices)
        if kind in _NUMBERS and {"low", "high"} <= set(options) <= {"type", "low", "high", "log"}:
            low, high = options["low"], options["high"]
            number = int if kind == "int" else (int, float)
            if all(isinstance(x, number) and not isinstance(x, bool) for x in (low, high)) and low < high:
                return _NUMBERS[kind](low, high, log=bool(options.get("log", False)))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}={options}: {' '.join(str(error).split())}; expected {_FORMS}") from error
    raise InputError(f"{where}={options}: expected {_FORMS}, with low below high, or at least two choices")


def _default(
    where: str, key: str, distribution: BaseDistribution, bundles: Bundles | None, parameters: Mapping[str, Any]
) -> Any:
    """Return the choice that is the model's own setting."""
    if bundles is not None:
        for alternative, settings in bundles.items():
            if all(parameters[parameter] == value for parameter, value in settings.items()):
                return alternative
        values = {parameter: parameters[parameter] for parameter in next(iter(bundles.values()))}
        raise InputError(f"{where}: the model's own setting {values} is none of {list(bundles)}; add it")
    value = parameters[key]
    if isinstance(distribution, CategoricalDistribution):
        inside = any(value == choice and type(value) is type(choice) for choice in distribution.choices)
    else:
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        inside = isinstance(value, int | float) and distribution.low <= value <= distribution.high
    if not inside:
        raise InputError(f"{where}: the model's own setting {value!r} lies outside; widen the space, or set it inside")
    return value


def difference(stored: Mapping[str, str], present: Mapping[str, str]) -> str:
    """Return in words the choices in which two spaces differ; empty if they are equal."""
    parts = []
    for name in sorted(set(stored) | set(present)):
        before, now = stored.get(name), present.get(name)
        if before != now:
            parts.append(f"{name} was {_words(before)} and is {_words(now)}")
    return "; ".join(parts)


def _words(text: str | None) -> str:
    if text is None:
        return "absent"
    whole, end = json.JSONDecoder().raw_decode(text)
    bundles = json.loads(text[end:])
    distribution = json_to_distribution(json.dumps(whole))
    if isinstance(distribution, CategoricalDistribution):
        return str(bundles or list(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low} to {distribution.high}{' (log)' if distribution.log else ''}"
