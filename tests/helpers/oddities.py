"""Names, numbers and tables such as nobody means to send, and somebody does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def few(max_examples: int) -> settings:
    """The same examples on every run, and as many as a busy machine can afford."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # shrinking a failure would take minutes
        suppress_health_check=checks,
    )


NAMES = (
    "../../etc/passwd",
    "/abs/olute",
    "..",
    "a\\b:c|d?e*f",
    "two\nlines\r\nthree",
    "tab\there",
    "nul\0byte",
    "sl/ash",
    "Ünïcödé ß",
    "細胞の板",
    "🧫🔬",
    "\u202eright to left",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "'; DROP TABLE runs; --",
    "${oc.env:HOME}",
    "$x^2_{3}$",
    "100%",
    '"quoted", with comma',
    "=1+1",
    "x" * 10_000,
)

names = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)

doubles = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.sampled_from(
    [0.0, -0.0, 1e-320, 1e-46, 1e-39, 2e38, 3.5e38, 1e39, -1e300, 16777217.0, 1e6 + 1e-3]
)
ordinary = st.floats(-1e6, 1e6, width=64)


def layout(n_plates: int, n_wells: int, n_sites: int = 1) -> pd.DataFrame:
    """Plates of ``n_wells`` wells, two thirds of them treated, each imaged ``n_sites`` times."""
    table = pd.DataFrame(
        [
            {"plate": f"P{p}", "well": f"A{w + 1:02d}", "batch": f"B{p}", "compound": "DMSO" if w % 3 == 0 else f"c{w}"}
            for p in range(n_plates)
            for w in range(n_wells)
        ]
    )
    table = table.loc[np.repeat(table.index, n_sites)].reset_index(drop=True)
    return table if n_sites == 1 else table.assign(site=np.tile(np.arange(1, n_sites + 1), n_plates * n_wells))


def as_stored(column: Any) -> Any:
    """Numbers in float32, those beyond it infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(column, dtype=np.float64).astype(np.float32)


def one_line(refused: Exception) -> str:
    """What an error says, which is one line with something in it."""
    text = str(refused)
    assert text.strip()
    assert len(text.splitlines()) == 1
    return text
