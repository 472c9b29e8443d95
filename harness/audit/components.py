"""Control wells as the batch-effect metrics see them: standardized, on principal components, with their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from harness.audit.base import AuditContext
from harness.audit.neighbours import nearest
from harness.norm.moments import moments
from harness.norm.scaling import standardize_groups
from harness.types import Doubles, Floats, Mask, NotApplicable, Profiles

N_COMPONENTS = 50
N_NEIGHBOURS = 89  # with the well itself 90, three times the perplexity of LISI (Korsunsky 2019)
MIN_WELLS = 10

Made = TypeVar("Made")
_made: WeakKeyDictionary[Profiles, dict[Hashable, Any]] = WeakKeyDictionary()


def once(profiles: Profiles, key: Hashable, make: Callable[[], Made]) -> Made:
    """``make()``, remembered as long as ``profiles`` live: several checks read the same."""
    found = _made.setdefault(profiles, {})
    if key not in found:
        found[key] = make()
    made: Made = found[key]
    return made


def standardized(X: Floats, *, origin: Mask | None = None) -> Floats:
    """Features in units of their standard deviation, centred at the mean of the ``origin`` rows (default: all).

    Mean and sd are the same for every plate, so differences between plates and batches stay as they are. Features
    that do not vary are left out.

    Parameters
    ----------
    X : (n, n_features) float32. origin : (n,) mask.

    Returns
    -------
    (n, <= n_features) float32.

    Raises
    ------
    NotApplicable : no feature varies.
    """
    everything = moments(X)
    varies = everything.sd > 0
    if not varies.any():
        raise NotApplicable("no feature of the normalized profiles varies")
    mean = everything.mean if origin is None else moments(X, rows=origin).mean
    rows = np.zeros(len(X), dtype=np.int64)
    return standardize_groups(X[:, varies], rows, mean[None, varies], everything.sd[None, varies])


def components(X: Floats, n: int) -> Floats:
    """Standardized features on their first principal components, (n_rows, <= n), largest variance first."""
    scaled = standardized(X)
    n = min(n, *scaled.shape)
    return np.asarray(PCA(n, svd_solver="randomized", random_state=0).fit_transform(scaled), dtype=np.float32)


@dataclass(frozen=True)
class Controls:
    """The n control wells: ``Z`` (n, <= 50) principal components, ``wells`` their rows, ``batch`` (n,) 0..B-1."""

    Z: Floats
    wells: pd.DataFrame
    batch: NDArray[np.intp]

    @cached_property
    def neighbours(self) -> tuple[Doubles, NDArray[np.intp]]:
        """Distances and row numbers of the nearest other control wells, (n, <= 89) each, nearest first."""
        return nearest(self.Z, min(N_NEIGHBOURS, len(self.Z) - 1))


def controls(context: AuditContext) -> Controls:
    """Normalized control wells of the run.

    Raises
    ------
    NotApplicable : fewer than 10 control wells or 2 batches, or no feature varies.
    """
    normalized = context.normalized(None)
    return once(normalized, "controls", lambda: _controls(normalized))


def _controls(normalized: Profiles) -> Controls:
    chosen = (normalized.wells["role"] == "negcon").to_numpy(dtype=bool)
    wells = normalized.wells[chosen].reset_index(drop=True)
    batch, names = pd.factorize(wells["batch"])
    if len(names) < 2:
        raise NotApplicable(f"control wells lie in {len(names)} batch; a batch effect needs 2")
    if len(wells) < MIN_WELLS:
        raise NotApplicable(f"{len(wells)} control wells; batch metrics need {MIN_WELLS}")
    return Controls(components(normalized.X[chosen], N_COMPONENTS), wells, np.asarray(batch, dtype=np.intp))
