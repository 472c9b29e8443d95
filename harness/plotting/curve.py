"""Curves in the unit square: thinning, precision-recall steps, mean of several."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.arrays import Doubles


def thin_curve(x: Doubles, y: Doubles, *, limit: int = 200, tolerance: float = 5e-4) -> NDArray[np.intp]:
    """Return indices (ascending) of at most ``limit`` vertices of a curve through ``(x, y)``, both (n,).

    Douglas and Peucker (1973): always take the vertex that lies farthest from the curve so far, until none
    lies farther than ``tolerance``. Both ends stay.
    """
    vertices = {0, len(x) - 1}
    heap = [_farthest(x, y, 0, len(x) - 1)]
    while heap and len(vertices) < limit and -heap[0][0] > tolerance:
        _, i, start, end = heappop(heap)
        vertices.add(i)
        heappush(heap, _farthest(x, y, start, i))
        heappush(heap, _farthest(x, y, i, end))
    return np.array(sorted(vertices), dtype=np.intp)


def _farthest(x: Doubles, y: Doubles, start: int, end: int) -> tuple[float, int, int, int]:
    """Return minus the largest distance of a vertex from the chord ``start`` to ``end``, its index, and both ends."""
    if end - start < 2:
        return 0.0, start, start, end
    dx, dy = x[end] - x[start], y[end] - y[start]
    px, py = x[start + 1 : end] - x[start], y[start + 1 : end] - y[start]
    squared = dx * dx + dy * dy
    along = np.clip((px * dx + py * dy) / squared, 0.0, 1.0) if squared > 0 else np.zeros_like(px)
    distance = np.hypot(px - along * dx, py - along * dy)
    worst = int(np.argmax(distance))
    return -float(distance[worst]), start + 1 + worst, start, end


def precision_recall_steps(precision: Doubles, recall: Doubles) -> tuple[Doubles, Doubles]:
    """Return corners (recall, precision) of the precision-recall steps, recall ascending, from scikit-learn's arrays.

    Between two recalls no threshold exists, and a straight line would promise a precision that none reaches
    (Davis and Goadrich 2006, ICML); so a step has the precision at which its right end was reached, and the area
    below the steps is the average precision.
    """
    precision, recall = precision[::-1], recall[::-1]
    reached = np.flatnonzero(np.diff(recall) > 0) + 1
    edges = np.r_[0.0, recall[reached]]
    return np.repeat(edges, 2)[1:-1], np.repeat(precision[reached], 2)


def mean_curve(curves: Sequence[tuple[Doubles, Doubles]], n: int = 201) -> tuple[Doubles, Doubles]:
    """Return mean y over ``curves`` at ``n`` equal steps of x from 0 to 1 (vertical averaging, Fawcett 2006).

    Curves are (x, y) with x ascending; the value at a jump is the one on its right side.
    """
    grid = np.linspace(0.0, 1.0, n)
    return grid, np.mean([_at(grid, x, y) for x, y in curves], axis=0)


def _at(grid: Doubles, x: Doubles, y: Doubles) -> Doubles:
    # Between two different x the curve runs from the last vertex of the one to the first of the other.
    last = np.r_[x[1:] != x[:-1], True]
    first = np.r_[True, x[1:] != x[:-1]]
    right = np.searchsorted(x[last], grid, side="right").clip(1, last.sum() - 1)
    x0, y0 = x[last][right - 1], y[last][right - 1]
    x1, y1 = x[first][right], y[first][right]
    return np.asarray(y0 + (y1 - y0) * (grid - x0) / (x1 - x0), dtype=np.float64)
