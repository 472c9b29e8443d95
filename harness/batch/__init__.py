"""Assign plates to batches."""

from __future__ import annotations

import hashlib
from typing import Protocol

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.lazy_exports import lazy_exports
from harness.core.profiles import Profiles
from harness.utils.text import as_text, preview

__getattr__, __dir__ = lazy_exports(__name__, __path__)


class Batch(Protocol):
    """Rule that names the batch of every row."""

    def assign(self, profiles: Profiles) -> pd.Series[str]:
        """Return the batch of each row of ``profiles.wells``, same index; InputError if it cannot tell."""
        ...


def assign_batches(profiles: Profiles, member: Batch) -> Profiles:
    """Return ``profiles`` with the batches that ``member`` assigns; the fingerprint, if any, covers the batches.

    Raises
    ------
    InputError : a row without a batch, or a plate in two batches; names the plates.
    """
    wells = profiles.wells
    batch = as_text(member.assign(profiles))
    blank = wells["plate"][(batch == "").to_numpy()].unique()
    if len(blank):
        raise InputError(f"batch: no batch for plates {preview(blank)}; every plate needs one")
    pairs = pd.DataFrame({"plate": wells["plate"], "batch": batch.to_numpy()}).drop_duplicates()
    twice = pairs["plate"][pairs["plate"].duplicated()]
    if len(twice):
        names = sorted(pairs["batch"][pairs["plate"] == twice.iloc[0]])
        raise InputError(f"batch: plate {twice.iloc[0]!r} lies in {len(names)} batches {names}; expected one")
    fingerprint = profiles.fingerprint
    if fingerprint:
        fingerprint = hashlib.sha256(f"{fingerprint}\n{pairs.to_csv(index=False)}".encode()).hexdigest()
    return profiles.replace(wells=wells.assign(batch=batch.to_numpy()), fingerprint=fingerprint)
