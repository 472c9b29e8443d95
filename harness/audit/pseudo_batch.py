"""Pseudo-batches: one batch split in two at random must be left as it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.neighbors import NearestNeighbors

from harness.audit.base import AuditContext, Check
from harness.audit.spike.control_scale import control_sd
from harness.core.arrays import Floats
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.seeding import generator
from harness.data.wells.aggregation import aggregate
from harness.settings.annotated_types import Count


class PseudoBatch(Check):
    """Normalize one batch as a whole and as two random halves of its plates: nothing should move (Antonsson 2025).

    ``audit/pseudo_batch/displacement``: root mean square over wells and features of the difference between the two, in
    control sd of the profiles normalized as one batch. ``audit/pseudo_batch/neighbours_kept``: share of each well's k
    nearest neighbours that stay the same. A method that reads no batch label scores 0 and 1 by construction; so does
    one that does nothing. Well profiles of the batch with most plates are read.

    Parameters
    ----------
    k : neighbours.
    """

    needs = ("plates_of_largest_batch >= 4",)

    def __init__(self, *, k: Count = 15) -> None:
        self.k = k

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles = aggregate(context.profiles, "median")
        plates = profiles.wells.drop_duplicates("plate").groupby("batch")["plate"].apply(list)
        batch = str(plates.map(len).idxmax())
        if len(plates[batch]) < 4:
            raise NotApplicable(f"the largest batch, {batch}, has {len(plates[batch])} plates; 4 are needed")
        as_one = profiles.take((profiles.wells["batch"] == batch).to_numpy())
        order = generator(context.seed, "pseudo-batch", batch).permutation(plates[batch])
        in_half = as_one.wells["plate"].isin(order[: len(order) // 2])
        as_two = as_one.replace(wells=as_one.wells.assign(batch=np.where(in_half, f"{batch}/1", f"{batch}/2")))
        try:
            normalized_as_one, normalized_as_two = context.normalize(as_one)(None), context.normalize(as_two)(None)
            scale = control_sd(normalized_as_one.X, normalized_as_one.wells)
        except InputError as error:
            raise NotApplicable(str(error)) from error
        displacement = np.divide(
            normalized_as_two.X - normalized_as_one.X, scale, out=np.zeros_like(scale), where=scale > 0
        )
        n = len(as_one.wells)
        yield Finding("audit/pseudo_batch/displacement", float(np.sqrt(np.square(displacement).mean())), n=n)
        yield Finding(
            "audit/pseudo_batch/neighbours_kept", self._neighbours_kept(normalized_as_one.X, normalized_as_two.X), n=n
        )

    def _neighbours_kept(self, a: Floats, b: Floats) -> float:
        """Return the mean share of a well's k nearest neighbours that both have in common."""
        k = min(self.k, len(a) - 1)
        near = [NearestNeighbors(n_neighbors=k).fit(X).kneighbors(return_distance=False) for X in (a, b)]
        return float(np.mean([len(set(i) & set(j)) / k for i, j in zip(*near, strict=True)]))
