"""ComBat whose prior is the distribution of the other features' estimates."""

from __future__ import annotations

from harness.norm.combat import Combat
from harness.norm.combat_model.empirical_bayes import Effect, Prior, nonparametric


class CombatNonparametric(Combat):
    """ComBat with g*_i = sum_k w_ik g^_k and d*_i = sum_k w_ik d^_k over the other features k (scope and parameters:
    those of :class:`harness.norm.combat.Combat`).

    w_i is the softmax over k of -n/2 [log d^_k + (v_i + (g^_i - g^_k)^2) / d^_k], v_i = d^_i (n - 1) / n.

    Notes
    -----
    The likelihood is computed in logarithms from the batch's estimates alone: finite at any number of rows, and
    O(features^2) per batch. The product of densities that other packages use underflows to 0 / 0 from some hundred
    rows per batch on. At large n the weights are nearly one-hot: a feature takes the estimates of the feature most like
    it, and the method loses what shrinkage was for. An unseen batch has for its prior its own features, as every batch
    has, each estimated from its controls; alpha, sigma and what controls look like come from training. When it
    over-normalizes and what it assumes of batches: as Combat. Johnson, Li, Rabinovic 2007, Biostatistics 8(1).
    """

    def posterior(self, hat: Effect, prior: Prior) -> Effect:  # noqa: ARG002 - the prior is in hat
        return nonparametric(hat)
