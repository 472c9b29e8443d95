"""Normalize a screen and aggregate it to wells, by the cheapest strategy that gives the same numbers."""

from __future__ import annotations

from harness.core.evaluation import Split
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer
from harness.norm.engine.affine import AffineNormalizer
from harness.norm.engine.fitting import Report
from harness.norm.engine.fitting import fit as fit
from harness.norm.engine.fitting import stream as stream
from harness.norm.engine.strategies import aggregate_unchanged, normalize_raw_wells, normalize_sites
from harness.norm.engine.strategies import output_table as output_table
from harness.norm.engine.strategies import stream_wells as stream_wells


def normalize(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    aggregate: str = "median",
    report: Report | None = None,
) -> Profiles:
    """Normalize a screen and aggregate it to wells; no normalized copy of the images is ever made.

    Parameters
    ----------
    profiles : sites or wells, (n_rows, n_features).
    split : the fold whose training rows TRAIN-scoped methods may read; None reads all (descriptive only).
    aggregate : ``median`` or ``mean`` of the sites of a well, or ``none`` to keep sites.

    Returns
    -------
    Profiles : one row per well, in order of first appearance (per site with ``none``), ``X`` float32.

    Raises
    ------
    InputError : the method's needs are not met, or ``profiles`` is a view that hides rows.
    """
    if aggregate != "none" and not profiles.hides_rows:
        if normalizer.is_identity and profiles.level == "image":
            return aggregate_unchanged(profiles, aggregate)
        if isinstance(normalizer, AffineNormalizer):
            return normalize_raw_wells(profiles, normalizer, split, aggregate, report)
    return normalize_sites(profiles, normalizer, split, aggregate, report)
