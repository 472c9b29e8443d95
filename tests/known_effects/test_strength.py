from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.known_effects.strength import strength


def screen(*, plates: int = 12, k: int = 4, treated: int = 30, features: int = 40, effect: float = 0.0) -> Profiles:
    """Make noise of unequal level, scale and plate shift; every third treated well moves by ``effect`` control sd."""
    rng = np.random.default_rng(11)
    level, scale = 10 ** rng.uniform(0, 4, features), 10 ** rng.uniform(-2, 2, features)
    parts, tables = [], []
    for p in range(plates):
        n = k + p % 3 + treated
        z = rng.standard_normal((n, features)) + rng.normal(0, 3, features)
        role = np.array(["negcon"] * (n - treated) + ["treated"] * treated, dtype=object)
        z[n - treated :: 3] += effect
        parts.append(level + scale * z)
        wells = [f"A{i:02d}" for i in range(n)]
        tables.append(pd.DataFrame({"plate": f"p{p:02d}", "well": wells, "batch": f"b{p // 4}", "role": role}))
    return Profiles(np.concatenate(parts).astype(np.float32), pd.concat(tables, ignore_index=True))


def test_treated_wells_without_an_effect_are_as_far_away_as_controls() -> None:
    p = screen(plates=60)
    d = strength(p)
    role = p.wells["role"].to_numpy()
    control, treated = d[role == "negcon"], d[role == "treated"]
    k = p.wells[role == "negcon"].groupby("plate").size().to_numpy()
    own = np.repeat(np.sqrt(1 + 1 / (k - 1)), k)
    assert np.mean(control**2 - own**2) == pytest.approx(0, abs=0.05)
    assert np.mean(treated**2) == pytest.approx(np.mean(1 + 1 / (k - 1)), rel=0.03)


def test_distance_is_the_formula_written_out() -> None:
    p = screen(plates=3, treated=5, effect=2.0)
    found, X, wells = strength(p), p.X.astype(np.float64), p.wells
    plate, role = wells["plate"].to_numpy(), wells["role"].to_numpy()
    own = {q: X[(plate == q) & (role == "negcon")] for q in np.unique(plate)}
    row = int(np.flatnonzero((plate == "p01") & (role == "negcon"))[2])
    others = X[(plate == "p01") & (role == "negcon") & (np.arange(len(X)) != row)]
    elsewhere = [own["p00"], own["p02"]]
    s2 = sum(((c - c.mean(0)) ** 2).sum(0) for c in elsewhere) / sum(len(c) - 1 for c in elsewhere)
    expected = np.sqrt(((X[row] - others.mean(0)) ** 2 / s2).mean())
    assert found[row] == pytest.approx(expected, rel=1e-5)


def test_strong_wells_are_far_and_units_do_not_matter() -> None:
    p = screen(effect=1.5)
    d = strength(p)
    strong = np.zeros(len(d), dtype=bool)
    for rows in p.wells[p.wells["role"] == "treated"].groupby("plate").indices.values():
        strong[p.wells.index[p.wells["role"] == "treated"].to_numpy()[rows][::3]] = True
    assert d[strong].min() > np.quantile(d[~strong], 0.95)
    scaled = strength(p.replace(X=p.X * (2.0 ** np.arange(-20, 20)).astype(np.float32)))
    np.testing.assert_allclose(scaled, d, rtol=1e-5)


def test_features_without_variation_over_controls_do_not_outweigh_the_others() -> None:
    p = screen(effect=1.0)
    d = strength(p)
    rng = np.random.default_rng(0)
    control = (p.wells["role"] == "negcon").to_numpy()
    constant = np.full(len(p.X), 1e7 + 1)
    rare = np.where(control, 1e-5 * rng.standard_normal(len(p.X)), rng.choice([0.0, 50.0], len(p.X))) + 3
    more = np.column_stack([p.X, constant, rare]).astype(np.float32)
    np.testing.assert_allclose(strength(Profiles(more, p.wells)), d, rtol=1e-6)


def test_order_of_rows_does_not_matter() -> None:
    p = screen(effect=1.0)
    rng = np.random.default_rng(4)
    plate = p.wells["plate"].to_numpy()
    rows = np.concatenate([rng.permutation(np.flatnonzero(plate == q)) for q in rng.permutation(np.unique(plate))])
    moved = strength(Profiles(p.X[rows], p.wells.iloc[rows]))
    np.testing.assert_allclose(moved, strength(p)[rows], rtol=1e-9)


def test_plates_with_two_controls_have_no_distance_and_one_plate_has_no_other() -> None:
    p = screen(plates=4)
    third = (p.wells["plate"] == "p02") & (p.wells.groupby("plate").cumcount() > 1)
    few = p.wells.assign(role=p.wells["role"].mask(third, "treated"))
    d = strength(p.replace(wells=few))
    assert np.isnan(d[p.wells["plate"] == "p02"]).all()
    assert np.isfinite(d[p.wells["plate"] != "p02"]).all()
    with pytest.raises(NotApplicable, match="1 plates with 3 control wells"):
        strength(p.take((p.wells["plate"] == "p01").to_numpy()))
    with pytest.raises(NotApplicable, match="no feature varies"):
        strength(p.replace(X=np.full_like(p.X, 7.7)))
