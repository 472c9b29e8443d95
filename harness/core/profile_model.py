"""Models that read profiles in place of an array of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, ClassifierMixin

from harness.core.arrays import Mask
from harness.core.profiles import Profiles


class ProfileModel(ClassifierMixin, BaseEstimator):
    """Base of models whose ``fit`` and ``predict_proba`` take profiles.

    Attributes
    ----------
    reads_features : False if the model reads the table of wells alone.
    reads_plates : True if the model reads features plate by plate, from a view, so that no copy is made.
    """

    reads_profiles: ClassVar[bool] = True
    reads_features: ClassVar[bool] = True
    reads_plates: ClassVar[bool] = False

    def shared(self, profiles: Profiles) -> tuple[Callable[[Profiles], Any], Any] | None:  # noqa: ARG002
        """Return a transform that no label changes, fitted on ``profiles``, and the classifier to fit for each label.

        None if the whole model has to be fitted for each label.
        """
        return None

    def select(self, profiles: Profiles, rows: Mask) -> Profiles:
        """Return the ``rows`` of ``profiles`` in the form that the model reads."""
        return profiles.where(rows) if self.reads_plates else profiles.take(rows, features=self.reads_features)


def reads_profiles(model: Any) -> bool:
    """Return whether a model takes profiles; scikit-learn's own do not have the attribute, and take arrays."""
    return bool(getattr(model, "reads_profiles", False))


def select_wells(model: Any, profiles: Profiles, rows: Mask) -> Profiles:
    """Return the ``rows`` of ``profiles`` in the form that a model reads: a copy, unless it is a ProfileModel."""
    return model.select(profiles, rows) if isinstance(model, ProfileModel) else profiles.take(rows)
