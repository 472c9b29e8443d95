"""Graph connectivity: do control wells hang together, or does the batch cut them into islands?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from harness.audit.base import AuditContext, Check
from harness.audit.shared.control_embedding import embed_controls
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.settings.annotated_types import Count


class GraphConnectivity(Check):
    """Measure which share of the control wells is connected in their neighbour graph.

    ``batch_effect/graph_connectivity``: size of the largest connected component over the number of control wells
    (Luecken 2022, Nature Methods 19, 41); 1 if all are connected. It only sees batches that lie fully apart, and is 1
    for many a strong batch effect, and for ``noise``. The label of scib is the role here: the graph consists of control
    wells. There is no interval: edges between resampled plates are not defined.

    Parameters
    ----------
    k : neighbours of each well on 50 principal components.
    """

    needs = ("batches >= 2", "controls >= 10")

    def __init__(self, *, k: Count = 15) -> None:
        self.k = k

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        indices = embed_controls(context).neighbours[1]
        yield Finding("batch_effect/graph_connectivity", graph_connectivity(indices[:, : self.k]), n=len(indices))


def graph_connectivity(indices: NDArray[np.intp]) -> float:
    """Return the share of wells in the largest connected component (Luecken 2022, Nature Methods 19, 41).

    As in scib the graph is undirected: an edge wherever one well is among the other's nearest.

    Parameters
    ----------
    indices : (n, k) row numbers of the nearest other wells.

    Raises
    ------
    NotApplicable : no neighbours are given.
    """
    n, k = indices.shape
    if indices.size == 0:
        raise NotApplicable(f"{n} wells with {k} neighbours make no graph")
    edges = csr_array((np.ones(indices.size), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    component = connected_components(edges, directed=False)[1]
    return float(np.bincount(component).max() / n)
