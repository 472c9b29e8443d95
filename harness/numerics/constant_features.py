"""Treatment of features without variance: centred, or unchanged.

Left alone, a feature that is constant on each plate and differs between plates carries the plate through every z-score,
and through everything that is fitted afterwards. Centred it is 0 on every plate, to the bit.
"""

from __future__ import annotations

from harness.core.exceptions import InputError

CENTRE, LEAVE = "centre", "leave"
LEFT_ALONE, CENTRED = 2, 4  # codes of harness.numerics.standardize.FALLBACKS


def centres(method: str, on_constant: str) -> bool:
    """Return whether ``method`` centres features without variance.

    Raises
    ------
    InputError : ``on_constant`` is neither ``centre`` nor ``leave``.
    """
    if on_constant not in (CENTRE, LEAVE):
        raise InputError(
            f"{method}: on_constant {on_constant!r} is unknown; choose {CENTRE} (a feature without variance becomes 0) "
            f"or {LEAVE} (it stays as it is)"
        )
    return on_constant == CENTRE
