"""The normalizer's contract."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import ClassVar, Self

import pandas as pd
from sklearn.base import BaseEstimator

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope

# columns of the wells table that every normalization may read: position, role, number of cells
COLUMNS = ("plate", "well", "row", "column", "site", "batch", "role", "cell_count")


_RENAMED = {"increasing": "is_monotone", "identity": "is_identity"}  # class attributes of version 0.1


class Normalizer(BaseEstimator):
    """Base of every normalization: ``fit`` learns from the plates of its scope, ``transform`` maps one plate.

    A subclass declares ``scope`` (class attribute, or an ``__init__`` parameter where several make sense).
    ``fit`` reads features and the metadata of wells, never a task's labels; ``transform`` returns float32 of
    the same rows in the same order and does not change its input.

    ``is_monotone`` declares that ``transform`` maps each feature by an increasing function, one for all sites of a
    well, that ``fit`` and the well's name decide. The median then commutes with it exactly, so that only the middle
    sites of a well need to be transformed. ``is_identity`` declares that it returns each plate unchanged.

    ``needs``: facts of a screen (:mod:`harness.inspect.facts`) without which it cannot be fitted.

    ``reads`` names columns of the wells table that it reads in addition to :data:`COLUMNS` and to those in its
    parameter ``covariates``, if it has one; it sees no other column (:func:`declared_columns`).
    """

    scope: FitScope | str = FitScope.TRAIN
    covariates: Sequence[str] = ()
    is_monotone: ClassVar[bool] = False
    is_identity: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    needs_planted: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()  # modules of an optional extra

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for old, new in _RENAMED.items():
            if old in cls.__dict__:
                text = f"{cls.__name__}.{old} is deprecated: declare {new} instead"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                setattr(cls, new, cls.__dict__[old])

    def fit(self, plates: Sequence[Plate]) -> Self:  # noqa: ARG002
        """Learn from ``plates``; a method that learns nothing inherits this."""
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:  # noqa: ARG002
        """Return a normalizer for one batch, from the control wells of its plates; after ``fit``.

        Called for the scope ``train_and_controls`` only,
        once for every batch, also for those that took part in the training; leaves ``self`` unchanged and
        returns a shallow copy with the batch's own statistics, or ``self`` if there is nothing to add.
        """
        return self

    def transform(self, plate: Plate) -> Floats:
        """Normalize one plate: (n, n_features) float32, rows in the plate's order."""
        raise NotImplementedError

    def report(self) -> pd.DataFrame | None:
        """Return the exceptions of the fit or adaptation, one row per plate and feature number concerned, or None."""
        return None

    def stages(self) -> list[Normalizer]:
        """Return the methods that are fitted one after the other, each in its own scope; of a single method itself."""
        return [self]

    def with_stages(self, stages: Sequence[Normalizer]) -> Normalizer:
        """Return the same normalizer with other ``stages``: fitted ones, where a stage reads more than a batch."""
        (only,) = stages
        return only


def check_scope(scope: FitScope | str) -> FitScope:
    """Return the scope as a :class:`FitScope`; InputError lists the allowed ones."""
    try:
        return FitScope(scope)
    except ValueError:
        raise InputError(f"norm: scope {scope!r} is unknown; choose one of {[s.value for s in FitScope]}") from None


def declared_columns(normalizer: Normalizer) -> tuple[str, ...]:
    """Return the columns of wells beyond :data:`COLUMNS` that a method, or a stage of a chain, declares to read."""
    stages = normalizer.stages()
    columns = {str(c) for stage in stages for c in (*stage.reads, *stage.covariates)}
    return tuple(sorted(columns - set(COLUMNS)))


def permitted(profiles: Profiles, normalizer: Normalizer) -> Profiles:
    """Return ``profiles`` with the columns that a method may see: compounds, doses, labels only if it declares them."""
    return profiles.with_columns((*COLUMNS, *declared_columns(normalizer)))


def depends_on_training(normalizer: Normalizer) -> bool:
    """Return whether a stage is fitted on training rows, so that another split gives another result."""
    trained = (FitScope.TRAIN, FitScope.TRAIN_AND_CONTROLS)
    return any(check_scope(s.scope) in trained and type(s).fit is not Normalizer.fit for s in normalizer.stages())
