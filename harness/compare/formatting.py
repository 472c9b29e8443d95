"""Numbers of a comparison as text."""

from __future__ import annotations

import numpy as np


def format_number(value: float, sign: str = "") -> str:
    """Return three decimals; a dash if undefined. ``sign`` is ``+`` to write the sign of positive numbers, too."""
    return "-" if np.isnan(value) else f"{value:{sign}.3f}"


def format_interval(lower: float, upper: float, sign: str = "") -> str:
    """Return ``[lower, upper]``; nothing if either is undefined."""
    if np.isnan(lower) or np.isnan(upper):
        return ""
    return f"[{format_number(lower, sign)}, {format_number(upper, sign)}]"


def format_p_value(p: float) -> str:
    """Return three decimals, a power of ten below 0.001, a dash if undefined."""
    return "-" if np.isnan(p) else f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
