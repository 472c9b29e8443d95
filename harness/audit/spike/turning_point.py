"""The turning point: the share of active wells from which on a normalization loses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.core.arrays import Doubles

GRID = (0.1, 0.25, 0.5, 0.75, 0.9)
ValueAndBounds = tuple[float, float, float]  # a value and its bounds


@dataclass(frozen=True)
class TurningPoint:
    """Share of active wells at which effects are lost.

    ``point`` : the share and its bounds. ``highest`` : the contrast at the highest share, with its bounds.
    """

    point: ValueAndBounds
    highest: ValueAndBounds
    code: str = ""
    reason: str = ""


def find_turning_point(contrast: Callable[[float], ValueAndBounds], rare: ValueAndBounds, limit: float) -> TurningPoint:
    """Find the share of active wells at which the contrast, which falls with it, crosses ``limit``.

    Bisection over a grid of shares; between measured shares the contrast is taken as linear, from ``rare`` at 0 on.
    Bounds are the shares at which the bounds of the contrast cross, among the measured shares; 0 and 1 if there is no
    interval.

    Parameters
    ----------
    contrast : (value, lower, upper) at a share. rare : the same of rare effects.
    """
    measured = {0.0: rare, GRID[-1]: contrast(GRID[-1])}
    highest = measured[GRID[-1]]
    below, above = -1, len(GRID) - 1
    if highest[0] < limit <= rare[0]:
        while above - below > 1:
            middle = (above + below + 1) // 2
            measured[GRID[middle]] = contrast(GRID[middle])
            if measured[GRID[middle]][0] < limit:
                above = middle
            else:
                below = middle
    shares = np.array(sorted(measured))
    value, lower, upper = (
        _crossing(shares, np.array([measured[share][i] for share in shares]), limit) for i in range(3)
    )
    code = "" if value < 1 else "never"
    reason = f"not up to {GRID[-1]:.0%}" if code else ""
    if np.isnan(value):
        return TurningPoint((value, 0.0, 1.0), highest, "undefined", "the contrast is not defined")
    return TurningPoint(
        (value, 0.0 if np.isnan(lower) else lower, 1.0 if np.isnan(upper) else upper), highest, code, reason
    )


def _crossing(shares: Doubles, values: Doubles, limit: float) -> float:
    """Return the first share at which ``values`` fall below ``limit``; 1 if they do not, NaN if one is not defined."""
    if np.isnan(values).any():
        return float("nan")
    low = np.flatnonzero(values < limit)
    if not len(low):
        return 1.0
    i = int(low[0])
    if i == 0:
        return 0.0
    return float(np.interp(limit, [values[i], values[i - 1]], [shares[i], shares[i - 1]]))
