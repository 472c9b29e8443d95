"""A metric by its name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import harness.metric
from harness.core.exceptions import InputError
from harness.metric.base import Metric


def metric_named(name: str) -> Metric:
    """Return the metric of that name, with its default settings.

    Raises
    ------
    InputError : there is none; the message lists those there are.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(harness.metric.__path__))
    if name in names:
        module = importlib.import_module(f"harness.metric.{name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, Metric) and cls.name == name:
                metric: Metric = cls()
                return metric
    raise InputError(f"there is no metric {name!r}; choose one of {', '.join(k for k in names if k not in _OTHERS)}")


_OTHERS = ("base", "named")
