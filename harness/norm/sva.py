"""Surrogate variables: regress the leading components of the whole screen out of every profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import derive, generator
from harness.norm.base import Normalizer
from harness.norm.engine.standardized_wells import scale_of, well_means
from harness.numerics.eigen import leading_axes
from harness.settings.annotated_types import Count, Seed
from harness.settings.limits import Between, OneOf, Within


class Sva(Normalizer):
    """x - sd * ((x - mean) / sd) V V' (scope: transductive; V the first n_sv right singular vectors of the wells).

    The known model is the intercept: residuals are well means, standardized over all filled wells, and the surrogate
    variables are their leading principal components, which are regressed out of every row.

    Parameters
    ----------
    n_sv : number of surrogate variables, or ``auto`` for the permutation test of Buja and Eyuboglu.
    known : variables of the known model beside the intercept; only ``none``. R's sva protects the variable of
        interest; here that is the role, i.e. the label. With 10 surrogate variables that writes it into held-out
        wells of pure noise: AUROC 0.83 (logistic; 0.49 without), so that ``role`` is refused.
    n_sample : wells that the permutation test reads, drawn by a hash of seed, plate and well.
    n_permutations, alpha : of the test.
    seed : of its draws.

    Raises
    ------
    InputError : ``known`` is not ``none``; ``n_sv`` leaves nothing over; fewer than 3 wells.

    Notes
    -----
    Needs neither controls nor batch labels; a new plate is projected on the same axes. Assumes that the leading
    variation is technical. Nothing in it can tell biology from batch: where phenotypes are common or strong they *are*
    the leading components and are removed, so that it over-normalizes. Features of cells are strongly correlated, so
    that ``auto`` finds many: 17 on the simulated screen ``phenotype_rich`` (small, 128 features), where held-out
    logistic AUROC falls from 0.80 (raw) to 0.46, and half of a planted effect is lost; 2 leave 0.59 and lose as much.

    Leek & Storey 2007, PLoS Genet. 3, e161; Leek et al. 2012, Bioinformatics 28.
    """

    scope = FitScope.TRANSDUCTIVE

    def __init__(
        self,
        *,
        n_sv: Count | Annotated[str, OneOf("auto")] = "auto",
        known: str = "none",
        n_sample: Annotated[int, Between(2, 1_000_000)] = 1000,
        n_permutations: Count = 20,
        alpha: Annotated[float, Within(0, 1)] = 0.1,
        seed: Seed = 0,
    ) -> None:
        self.n_sv = n_sv
        self.known = known
        self.n_sample = n_sample
        self.n_permutations = n_permutations
        self.alpha = alpha
        self.seed = seed

    def fit(self, plates: Sequence[Plate]) -> Self:
        self._check()
        self.scale_, wells = scale_of(plates, "sva")
        drawn = sorted((derive(self.seed, "sva", p, w), p, w) for p, names in wells.items() for w in names)
        place = {(p, w): i for i, (_, p, w) in enumerate(drawn[: self.n_sample])}
        G = len(self.scale_.sd)
        gram, sample = np.zeros((G, G)), np.empty((len(place), G))
        for plate in plates:
            names, means = well_means(plate)
            Z = self.scale_.apply(means)
            gram += Z.T @ Z
            for well, z in zip(names, Z, strict=True):
                if (plate.name, well) in place:
                    sample[place[plate.name, well]] = z
        n_varying = int((self.scale_.sd > 0).sum())
        most = min(len(drawn) - 1, n_varying) - 1
        self.n_sv_ = min(self._count(sample), most) if self.n_sv == "auto" else int(self.n_sv)
        if self.n_sv_ > most:
            raise InputError(
                f"sva: n_sv={self.n_sv_}, but {len(drawn)} wells and {n_varying} features that vary leave "
                f"room for at most {most}; lower norm.n_sv or use norm.n_sv=auto"
            )
        self.axes_ = leading_axes(gram, self.n_sv_) if self.n_sv_ else np.zeros((G, 0))
        return self

    def transform(self, plate: Plate) -> Floats:
        return self.scale_.subtract(plate.X, self.scale_.scores(plate.X, self.axes_), self.axes_)

    def _check(self) -> None:
        if self.known != "none":
            raise InputError(
                f"sva: known={self.known!r}: expected none. The role is the label of held-out wells: protecting it "
                "gave AUROC 0.83 on wells with nothing in them; leave norm.known=none"
            )
        whole = isinstance(self.n_sv, int) and not isinstance(self.n_sv, bool) and self.n_sv > 0
        if self.n_sv != "auto" and not whole:
            raise InputError(f"sva: n_sv={self.n_sv!r}: expected auto or a whole number, at least 1")

    def _count(self, sample: Doubles) -> int:
        rng = generator(self.seed, "sva permutations")
        return count_components(sample, rng, n_permutations=self.n_permutations, alpha=self.alpha)


def spectrum(Z: Doubles) -> Doubles:
    """Return the shares of the min(n - 1, G) components in the variance of centred Z (n, G), largest first."""
    product = Z @ Z.T if len(Z) <= Z.shape[1] else Z.T @ Z
    values = np.linalg.eigvalsh(product)[::-1][: min(len(Z) - 1, Z.shape[1])].clip(min=0)
    return np.asarray(values / values.sum(), dtype=np.float64)


def count_components(Z: Doubles, rng: np.random.Generator, *, n_permutations: int = 20, alpha: float = 0.1) -> int:
    """Return the number of leading components of Z (n, G) that are more than chance, by parallel analysis.

    A component counts if its share of the variance is larger than that of the same component when columns are
    permuted. Each column is permuted on its own. The p-value of a component is the share of permutations whose
    component of the same rank is at least as large, and at least the p-value of the component before it; those of at
    most ``alpha`` count.

    Buja & Eyuboglu 1992, "Remarks on parallel analysis", Multivariate Behavioral Research 27; as in ``num.sv(method =
    "be")`` of the R package sva (Leek et al. 2012, Bioinformatics 28).
    """
    Z = Z[:, Z.any(axis=0)]
    Z = Z - Z.mean(axis=0)
    if not Z.size:
        return 0
    observed = spectrum(Z)
    columns = np.ascontiguousarray(Z.T)
    larger = np.zeros(len(observed))
    for _ in range(n_permutations):
        rng.permuted(columns, axis=1, out=columns)
        larger += spectrum(columns.T) >= observed
    return int((np.maximum.accumulate(larger / n_permutations) <= alpha).sum())
