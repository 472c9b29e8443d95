"""Place compounds and controls in the wells of a 96-well plate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from experiments.verdict_calibration.simulator import Screen

N_ROWS, N_COLUMNS = 8, 12
N_WELLS = N_ROWS * N_COLUMNS
LAYOUTS = ("random", "edge_columns", "fixed_compounds")

Ints = NDArray[np.int64]


def lay_out(screen: Screen, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row per well: the standard columns, ``number`` of the compound (-1: control) and ``active``.

    Raises
    ------
    ValueError : an unknown layout, or controls that do not fill it.
    """
    if screen.layout not in LAYOUTS:
        raise ValueError(f"layout={screen.layout!r}; expected one of {LAYOUTS}")
    if screen.layout == "edge_columns" and not 0 < screen.n_controls <= 2 * N_ROWS:
        raise ValueError(f"n_controls={screen.n_controls}; two outer columns hold 1 to {2 * N_ROWS}")
    n_plates = screen.n_batches * screen.plates_per_batch
    n_treated = N_WELLS - screen.n_controls
    n_compounds = n_treated * n_plates // min(screen.replicates, n_plates)
    if screen.layout == "fixed_compounds":
        n_compounds = n_treated
    shares = _shares(screen, n_plates)
    active = rng.permutation(n_compounds) < round((float(np.mean(shares)) if shares else screen.active) * n_compounds)
    fixed = np.r_[np.full(screen.n_controls, -1), np.arange(n_treated)][rng.permutation(N_WELLS)]
    used = np.zeros(n_compounds)
    tables = []
    for p in range(n_plates):
        if screen.layout == "fixed_compounds":
            number = fixed
        else:
            share = shares[p] if shares else None
            compounds = rng.permutation(_least_used(used, active, n_treated, share, rng))
            number = _placed(screen, compounds, rng)
        tables.append(_table(p, f"batch{p // screen.plates_per_batch + 1}", number, active))
    return pd.concat(tables, ignore_index=True)


def _shares(screen: Screen, n_plates: int) -> list[float]:
    """Return the share of active treated wells of each plate; empty if that follows from the compounds."""
    if screen.active_in_batches:
        return [screen.active_in_batches[p // screen.plates_per_batch] for p in range(n_plates)]
    if screen.active_on_plates:
        return [screen.active_on_plates[p % len(screen.active_on_plates)] for p in range(n_plates)]
    return []


def _least_used(used: Any, active: Any, n: int, share: float | None, rng: np.random.Generator) -> Ints:
    """Draw ``n`` compounds, those on the fewest plates first; ``share`` of them active."""
    pools = [(np.arange(len(used)), n)]
    if share is not None:
        n_active = round(share * n)
        pools = [(np.flatnonzero(active), n_active), (np.flatnonzero(~active), n - n_active)]
    parts = []
    for pool, size in pools:
        if not size:
            continue
        order = pool[np.argsort(used[pool] + 0.99 * rng.random(len(pool)))]
        parts.append(np.resize(order, size))  # a pool that is too small comes twice
    compounds = np.concatenate(parts)
    np.add.at(used, compounds, 1)
    return compounds


def _placed(screen: Screen, compounds: Ints, rng: np.random.Generator) -> Ints:
    """Return the compound of each well of a plate, -1 for controls."""
    number = np.full(N_WELLS, -1)
    if screen.layout == "edge_columns":
        outer = np.flatnonzero(np.isin(np.arange(N_WELLS) % N_COLUMNS, (0, N_COLUMNS - 1)))
        treated = np.setdiff1d(np.arange(N_WELLS), outer[np.linspace(0, 15, screen.n_controls).astype(int)])
    else:
        treated = rng.permutation(N_WELLS)[: len(compounds)]
    number[treated] = compounds
    return number


def _table(plate: int, batch: str, number: Ints, active: Any) -> pd.DataFrame:
    """Return the table of wells of one plate."""
    row, column = np.divmod(np.arange(N_WELLS), N_COLUMNS)
    return pd.DataFrame(
        {
            "plate": f"plate{plate + 1:02d}",
            "well": [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)],
            "row": row + 1,
            "column": column + 1,
            "batch": batch,
            "role": np.where(number < 0, "negcon", "treated"),
            "compound": np.where(number < 0, "DMSO", np.char.add("compound", np.char.zfill(number.astype(str), 3))),
            "number": number,
            "active": (number >= 0) & active[number],
        }
    )
