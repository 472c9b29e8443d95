from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, points, shuffled

from harness.audit.graph_connectivity import GraphConnectivity, graph_connectivity
from harness.core.exceptions import NotApplicable
from harness.numerics.neighbors import nearest

KEY = "batch_effect/graph_connectivity"


def largest(indices: Any) -> float:
    """Return the share of the largest component by flood fill."""
    mates: list[set[int]] = [set() for _ in indices]
    for i, row in enumerate(indices):
        for j in row:
            mates[i].add(int(j))
            mates[int(j)].add(i)
    left, best = set(range(len(indices))), 0
    while left:
        edge, size = [left.pop()], 1
        while edge:
            new = mates[edge.pop()] & left
            left -= new
            edge += new
            size += len(new)
        best = max(best, size)
    return best / len(indices)


@pytest.mark.parametrize(("shift", "k"), [(0.0, 3), (1.0, 2), (1.0, 1), (3.0, 15)])
def test_it_equals_a_flood_fill(shift: float, k: int) -> None:
    indices = nearest(points(shift)[0], k)[1]
    assert graph_connectivity(indices) == largest(indices)


def test_it_equals_scib_metrics_where_that_is_installed() -> None:
    pytest.importorskip("scib_metrics")
    from scib_metrics import graph_connectivity as scib
    from scipy.sparse import csr_matrix

    Z, _ = points(1.0)
    for k in (1, 2, 15):
        indices = nearest(Z, k)[1]
        edges = csr_matrix((np.ones(120 * k), indices.ravel(), np.arange(0, 120 * k + 1, k)), shape=(120, 120))
        undirected = type("Graph", (), {"knn_graph_distances": edges + edges.T})
        assert graph_connectivity(indices) == pytest.approx(scib(undirected, np.zeros(120)))


def test_batches_far_apart_are_islands() -> None:
    Z, batch = points(100.0)
    assert graph_connectivity(nearest(Z, 15)[1]) == np.bincount(batch).max() / 120
    assert graph_connectivity(nearest(points(0.0)[0], 15)[1]) == 1


def test_a_batch_effect_lowers_the_score(audited: Any) -> None:
    clean, batchy = (
        by_key(GraphConnectivity(k=5).findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 4.0)
    )
    assert clean.value == 1
    assert batchy.value == pytest.approx(31 / 72)
    assert clean.n == 72


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=4.0)
    values = [by_key(GraphConnectivity().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == values[1]


def test_no_neighbours_are_declined() -> None:
    with pytest.raises(NotApplicable, match="make no graph"):
        graph_connectivity(np.zeros((1, 0), dtype=int))
