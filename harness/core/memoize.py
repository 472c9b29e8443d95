"""Facts of a table, worked out once: audits normalize the same wells dozens of times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

import pandas as pd

Rest = ParamSpec("Rest")
Result = TypeVar("Result")
KEPT = 4096


def remembered(
    function: Callable[Concatenate[pd.DataFrame, Rest], Result],
) -> Callable[Concatenate[pd.DataFrame, Rest], Result]:
    """Keep the last :data:`KEPT` results by the identity of the table and the values of the other arguments.

    For tables that nobody changes in place, such as :attr:`harness.core.profiles.Plate.wells`; results must not be
    changed either.
    """
    known: OrderedDict[tuple[Hashable, ...], tuple[pd.DataFrame, Result]] = OrderedDict()
    lock = Lock()

    @wraps(function)
    def call(table: pd.DataFrame, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        key = (id(table), args, tuple(kwargs.items()))
        with lock:
            if key in known:
                known.move_to_end(key)
                return known[key][1]
        result = function(table, *args, **kwargs)
        with lock:
            known[key] = table, result  # the table is kept too, so that its id is not given to another
            while len(known) > KEPT:
                known.popitem(last=False)
        return result

    return call
