"""Refuse arrays that are larger than memory, before allocating them: a damaged file may promise any size."""

from __future__ import annotations

import os

from harness.core.exceptions import InputError


def check_memory(n_bytes: int, *, source: str) -> None:
    """Raise InputError if ``n_bytes`` are more than this machine's memory; ``source`` names what needs them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n_bytes > memory:
        raise InputError(
            f"{source}: takes {n_bytes / 1e9:,.0f} GB in memory; this machine has {memory / 1e9:.0f} GB: divide the "
            "file, or write it again if it should be smaller"
        )
