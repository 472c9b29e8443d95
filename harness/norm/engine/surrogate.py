"""How many principal components of a table are more than chance.

Buja & Eyuboglu 1992, "Remarks on parallel analysis", Multivariate Behavioral Research 27; as in ``num.sv(method =
"be")`` of the R package sva (Leek et al. 2012, Bioinformatics 28).
"""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles


def spectrum(Z: Doubles) -> Doubles:
    """Return share of each principal component in the variance of centred Z (n, G), largest first, min(n - 1, G) of
    them.
    """
    product = Z @ Z.T if len(Z) <= Z.shape[1] else Z.T @ Z
    values = np.linalg.eigvalsh(product)[::-1][: min(len(Z) - 1, Z.shape[1])].clip(min=0)
    return np.asarray(values / values.sum(), dtype=np.float64)


def count_components(Z: Doubles, rng: np.random.Generator, *, n_permutations: int = 20, alpha: float = 0.1) -> int:
    """Return number of leading components of Z (n, G) with larger shares of the variance than when columns are
    permuted.

    Each column is permuted on its own. The p-value of a component is the share of permutations whose component of
    the same rank is at least as large, and at least the p-value of the component before it; those of at most
    ``alpha`` count.
    """
    Z = Z[:, Z.any(axis=0)]
    Z = Z - Z.mean(axis=0)
    if not Z.size:
        return 0
    found = spectrum(Z)
    columns = np.ascontiguousarray(Z.T)
    larger = np.zeros(len(found))
    for _ in range(n_permutations):
        rng.permuted(columns, axis=1, out=columns)
        larger += spectrum(columns.T) >= found
    return int((np.maximum.accumulate(larger / n_permutations) <= alpha).sum())
