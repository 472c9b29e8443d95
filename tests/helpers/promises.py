"""What several normalizations promise, as assertions on rows that ``output`` has normalized."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Profiles

Output = Callable[[Profiles], Floats]


def assert_empty_wells_are_not_read(output: Output, profiles: Profiles, *, value: float = 1e9) -> None:
    """Whatever stands in empty wells, all other rows come out the same to the bit."""
    empty = (profiles.wells["role"] == "empty").to_numpy()
    assert 0 < empty.sum() < len(empty)
    X = profiles.X.copy()
    X[empty] = value
    np.testing.assert_array_equal(output(profiles.replace(X=X))[~empty], output(profiles)[~empty])


def assert_small_differences_survive_at_a_large_level(output: Output, plates: list[str], wells: list[str]) -> None:
    """Of six rows that one mean is taken of: level 4e6, steps of 1; a float32 mean would be off by a tenth of a step.

    Just above the resolution of float32, eps x level = 0.48: the sd of the steps is 0.94.
    """
    steps = np.array([0, 1, 1, 3, 2, 1])
    table = pd.DataFrame({"plate": plates, "well": wells, "batch": "b", "role": "treated"})
    Z = output(Profiles((4e6 + steps[:, None]).astype(np.float32), table))
    np.testing.assert_allclose(Z[:, 0], steps - 8 / 6, atol=1e-6)
