"""Retrieval: do profiles retrieve others of their compound, or of its category, e.g. mechanism of action?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.label_retrieval import Excluded, retrieve_labels
from harness.audit.replicate.labelled_profiles import SUMMARIES, LabelledProfiles, labels_of, select_labelled
from harness.audit.shared.views import normalized_wells
from harness.audit.shared.whitening import fit_whitening
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.numerics.components import standardized
from harness.scoring.bootstrap import interval
from harness.settings.annotated_types import Count, FileName, Name
from harness.settings.limits import OneOf

COMPOUND = "compound"
SPACES = ("scaled", "as_is", "whitened")
MOST_ROWS = 4_000


class RetrievalCheck(Check):
    """Retrieve profiles of the same compound, or of its category, by nearest neighbours.

    ``retrieval/<by>/...``, by cosine among treated wells or treatments that have a label. By a category of compounds,
    e.g. mechanism of action, neighbours of the query's own compound never count: ``map`` (mean average precision),
    ``recall_at_<k>``, ``nsc`` (the nearest has the same category; "not same compound"), ``nscb`` (nor a batch in
    common), ``nsc_other_position`` (nor a position). By ``compound``, neighbours on the query's own plate never count:
    ``map``, ``recall_at_<k>``, ``nearest``, ``nearest_other_batch``, ``nearest_other_position``.

    For each also ``_null_mean``, ``_null_upper`` (95%) and ``_p``, from categories permuted over the compounds, or
    compounds over the wells of each plate. Intervals resample compounds. Ljosa et al. 2013, J. Biomol. Screen. 18
    (NSC); Ando et al. 2017, bioRxiv 161422 (NSCB). The verdict does not read these numbers.

    Parameters
    ----------
    by : ``compound``, or a column of the wells; with ``path`` a column of that table, which is joined by ``compound``.
    path : table of categories. compound : its column of compounds.
    level : ``well``, or mean or median of the wells of a compound at a dose.
    space : ``scaled`` (features in units of their sd, 0 at the mean of the controls), ``as_is`` (as the normalization
        left them) or ``whitened`` (by the controls' covariance within plates).
    k : of recall. n_permutations : permutations of the labels.
    """

    needs = ("compounds >= 2",)

    def __init__(
        self,
        *,
        by: Name = COMPOUND,
        path: FileName | None = None,
        compound: Name = COMPOUND,
        level: Annotated[str, OneOf(*SUMMARIES)] = "well",
        space: Annotated[str, OneOf(*SPACES)] = "scaled",
        k: Count = 5,
        n_permutations: Count = 100,
    ) -> None:
        self.by, self.path, self.compound = by, path, compound
        self.level, self.space = level, space
        self.k, self.n_permutations = k, n_permutations
        if by == COMPOUND and (level != "well" or path is not None):
            raise InputError(
                f"retrieval: got by=compound with level={level}, path={path}; it takes level=well and no path: name a "
                "category of compounds, e.g. audit.retrieval.by=moa"
            )

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles = normalized_wells(context)
        if "compound" not in profiles.wells:
            raise NotApplicable("no compound is known: the wells have no column compound", code="no_compounds")
        labels = labels_of(profiles.wells, self.by, self.path, self.compound)
        data = select_labelled(
            self._space(profiles),
            profiles.wells,
            labels,
            level=self.level,
            most=MOST_ROWS,
            seed=context.seed,
        )
        U = data.Z / np.maximum(np.linalg.norm(data.Z, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        labellings = self._labellings(data, context.seed)
        for key, fields, excluded in self._questions():
            ranks = retrieve_labels(U, data, labellings, excluded, 0 if fields == ["nearest"] else self.k)
            for name in fields:
                full = f"retrieval/{self.by}/{key or self._name(name)}"
                yield from _findings(full, getattr(ranks, name), data, context)

    def _space(self, profiles: Profiles) -> Floats:
        """Return the profiles in the space of the setting, (n_wells, n_features)."""
        controls = (profiles.wells["role"] == "negcon").to_numpy(dtype=bool)
        if self.space == "whitened":
            return fit_whitening(profiles.X, profiles.wells, controls)(profiles.X)
        if self.space == "as_is":
            return profiles.X
        return standardized(profiles.X, origin=controls if controls.any() else None)

    def _name(self, field: str) -> str:
        """Return the last part of the key of a field of the scores."""
        return {"average_precision": "map", "recall": f"recall_at_{self.k}", "nearest": self._nearest}[field]

    @property
    def _nearest(self) -> str:
        """Last part of the key of the nearest neighbour's score."""
        return "nearest" if self.by == COMPOUND else "nsc"

    def _questions(self) -> Iterator[tuple[str, list[str], Excluded]]:
        """Yield keys (empty for that of the field), fields of the scores, and the rows that are no candidates."""
        first = _same_plate if self.by == COMPOUND else _same_compound
        yield "", ["average_precision", "recall", "nearest"], first
        batch = "nearest_other_batch" if self.by == COMPOUND else "nscb"
        yield batch, ["nearest"], lambda data, rows: first(data, rows) | data.shared(data.batch, rows)
        position = f"{self._nearest}_other_position"
        yield position, ["nearest"], lambda data, rows: first(data, rows) | data.shared(data.position, rows)

    def _labellings(self, data: LabelledProfiles, seed: int) -> NDArray[np.int32]:
        """Return the true labels and ``n_permutations`` permutations of them, (1 + n_permutations, n)."""
        labellings = [data.label]
        _, first = np.unique(data.compound, return_index=True)
        for draw in range(self.n_permutations):
            rng = generator(seed, "labels dealt anew", draw)
            if self.by == COMPOUND:
                key, plate = rng.random(len(data.label)), data.plate.argmax(axis=1)
                dealt = np.empty_like(data.label)
                dealt[np.lexsort((np.arange(len(key)), plate))] = data.label[np.lexsort((key, plate))]
            else:
                dealt = rng.permutation(data.label[first])[data.compound]
            labellings.append(dealt)
        return np.array(labellings, dtype=np.int32)


def _same_compound(data: LabelledProfiles, rows: slice) -> NDArray[np.bool_]:
    """Mark profiles of the compound of each of ``rows``, (n_rows, n)."""
    return np.asarray(data.compound[rows][:, None] == data.compound[None, :])


def _same_plate(data: LabelledProfiles, rows: slice) -> NDArray[np.bool_]:
    """Mark profiles on a plate of each of ``rows``, (n_rows, n)."""
    return data.shared(data.plate, rows)


def _findings(key: str, scores: Doubles, data: LabelledProfiles, context: AuditContext) -> Iterator[Finding]:
    """Yield the score of the true labels (row 0), its interval, its null and its p."""
    defined = ~np.isnan(scores[0])
    if not defined.any():
        yield Finding(key, float("nan"), reason="no profile has a candidate of its label that counts", code="no_pairs")
        return
    value = float(scores[0, defined].mean())
    compound = np.unique(data.compound[defined], return_inverse=True)[1]
    n = int(compound.max()) + 1
    weight = generator(context.seed, "bootstrap compounds", n).multinomial(n, np.full(n, 1 / n), context.n_resamples)
    total = weight @ np.bincount(compound, scores[0, defined])
    lower, upper = interval(total / np.maximum(weight @ np.bincount(compound), 1))
    rows = f"{int(defined.sum())} profiles of {n} compounds, {len(data.names)} labels"
    yield Finding(key, value, lower, upper, int(defined.sum()), rows)
    null = np.nanmean(scores[1:], axis=1)
    yield Finding(f"{key}_null_mean", float(null.mean()), n=len(null))
    yield Finding(f"{key}_null_upper", float(np.quantile(null, 0.95)), n=len(null))
    yield Finding(f"{key}_p", float((1 + (null >= value - 1e-12).sum()) / (1 + len(null))), n=len(null))
