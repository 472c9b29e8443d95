"""Normalizers that declare the class attributes of version 0.1 keep their meaning, with a warning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.chain import Chain
from harness.norm.engine.fitting import fit
from harness.norm.engine.stage import FittedStage, TransformedProfiles


def test_old_class_attributes_are_accepted() -> None:
    with pytest.warns(DeprecationWarning, match="Cube.increasing is deprecated: declare is_monotone instead"):

        class Cube(Normalizer):
            increasing = True

    with pytest.warns(DeprecationWarning, match="Same.identity is deprecated: declare is_identity instead"):

        class Same(Normalizer):
            identity = True

    assert Cube().is_monotone
    assert not Cube().is_identity
    assert Same().is_identity
    assert not Normalizer().is_monotone


class Double(Normalizer):
    scope = FitScope.TRAIN

    def transform(self, plate: Plate) -> Floats:
        return plate.X * 2


def test_rows_that_the_source_hides_stay_hidden_after_a_stage(screen: Any) -> None:
    profiles = screen(awkward=False)
    rng = np.random.default_rng(0)
    first, second = (rng.random(len(profiles.wells)) < 0.6 for _ in range(2))
    source = profiles.where(first)
    stage = FittedStage(fit(profiles, Double()), source)
    plates = TransformedProfiles(source, [stage]).where(second)
    expected = list(profiles.where(first & second))
    assert [plate.name for plate in plates] == [plate.name for plate in expected]
    for plate, same in zip(plates, expected, strict=True):
        np.testing.assert_array_equal(plate.X, same.X * 2)
        assert plate.wells.equals(same.wells)
        assert replace(plate, X=same.X).negcon.sum() == same.negcon.sum()
    assert len(Chain(steps=[Double(), Double()]).stages()) == 2
