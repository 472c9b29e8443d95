from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.contingency import association

from harness.audit.confounding import Confounding, cramers_v
from harness.norm.base import Normalizer
from harness.norm.raw import Raw
from harness.split.leave_batch_out import LeaveBatchOut


def bergsma(a: Any, b: Any) -> float:
    """Return the bias-corrected V of the full table, by its definition (Bergsma 2013, section 3)."""
    table = pd.crosstab(a, b).to_numpy().astype(float)
    n, (r, c) = table.sum(), table.shape
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = ((table - expected) ** 2 / expected).sum() / n
    shrunk = max(0, phi2 - (r - 1) * (c - 1) / (n - 1))
    return float(np.sqrt(shrunk / min(r - (r - 1) ** 2 / (n - 1) - 1, c - (c - 1) ** 2 / (n - 1) - 1)))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(40, 120), st.floats(0, 1), st.integers(0, 999))
def test_v_agrees_with_scipy_and_its_correction_with_the_definition(
    r: int, c: int, n: int, tie: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(r, size=n)
    b = np.where(rng.random(n) < tie, a % c, rng.integers(c, size=n))
    table = pd.crosstab(a, b).to_numpy()
    if min(table.shape) < 2:
        return
    v, corrected = cramers_v(pd.Series(a), pd.Series(b).map(lambda i: f"level {i}"))
    assert v == pytest.approx(association(table, method="cramer"), abs=1e-7)
    assert corrected == pytest.approx(bergsma(a, b), abs=1e-7)
    assert cramers_v(pd.Series(b), pd.Series(a)) == pytest.approx((v, corrected))


def test_v_is_one_where_one_side_decides_the_other_and_undefined_where_it_is_constant() -> None:
    a = pd.Series(list("aabbbccccc"))
    assert cramers_v(a, a.str.upper())[0] == pytest.approx(1.0)
    assert np.isnan(cramers_v(a, pd.Series(["x"] * 10))).all()


def findings(audited: Any, wells: pd.DataFrame, **options: Any) -> dict[str, Any]:
    found = Confounding(**options).findings(audited(wells=wells))
    return {f.key.removeprefix("audit/confounding/"): f for f in found}


def design(seed: int = 0, *, tied: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 2000
    batch = rng.choice(["b1", "b2", "b3"], n, p=[0.5, 0.3, 0.2])
    treated = rng.random(n) < (np.where(batch == "b1", 0.1, 0.9) if tied else 0.7)
    wells = pd.DataFrame({"batch": batch, "role": np.where(treated, "treated", "negcon")})
    wells["compound"] = np.where(treated, [f"c{i}" for i in rng.integers(5, size=n)], "DMSO")
    wells["well"] = [f"w{i}" for i in rng.integers(40, size=n)]
    return wells.assign(plate="p")


def test_a_balanced_design_is_clean_and_a_tied_one_is_named(audited: Any) -> None:
    clean, tied = findings(audited, design()), findings(audited, design(tied=True))
    assert clean["role_x_batch_corrected"].value < 0.06
    assert all(f.reason == "" for key, f in clean.items() if key.startswith(("role_x_batch", "compound")))
    assert tied["role_x_batch"].value > 0.6
    assert tied["role_x_batch"].reason == "role is tied to batch: a score may be about the batch"
    assert tied["role_x_batch"].n == 2000
    assert tied["compound_x_position"].reason == ""
    assert findings(audited, design(tied=True), warn_above=0.99)["role_x_batch"].reason == ""


def test_a_layout_with_one_compound_per_position_is_named(audited: Any) -> None:
    wells = design()
    wells["compound"] = "c" + wells["well"]
    found = findings(audited, wells)["compound_x_position_corrected"]
    assert found.value > 0.99
    assert found.reason == "compound is tied to well: a score may be about the well"


def test_controls_empty_wells_and_wells_without_a_compound_do_not_count_as_a_compound(audited: Any) -> None:
    wells = design()
    before = findings(audited, wells)["compound_x_batch"]
    assert before.n == (wells["role"] == "treated").sum()
    nameless = pd.DataFrame(
        {"batch": "b3", "role": "treated", "compound": "", "well": "w0", "plate": "p"}, index=range(500)
    )
    empty = nameless.assign(role="empty", compound="none")
    after = findings(audited, pd.concat([wells, nameless, empty], ignore_index=True))
    assert (after["compound_x_batch"].value, after["compound_x_batch"].n) == (before.value, before.n)
    assert after["role_x_batch"].n == 2500


def grid(role: Any, *, n_plates: int = 6, n_batches: int = 3, seed: int = 0) -> pd.DataFrame:
    """Make plates of 8 x 12 wells; ``role(row, column, rng)`` is true for controls."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(96), 12)
    tables = []
    for p in range(n_plates):
        control = role(row + 1, column + 1, rng)
        table = {"plate": f"p{p}", "batch": f"b{p * n_batches // n_plates}", "row": row + 1, "column": column + 1}
        table["well"] = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
        tables.append(pd.DataFrame({**table, "role": np.where(control, "negcon", "treated"), "compound": "c"}))
    return pd.concat(tables, ignore_index=True)


def outer(row: Any, column: Any, rng: Any) -> Any:  # noqa: ARG001
    return (column == 1) | (column == 12)


def anywhere(row: Any, column: Any, rng: Any) -> Any:  # noqa: ARG001
    return rng.permutation(96) < 16


def of(audited: Any, wells: pd.DataFrame, normalizer: Any = None) -> dict[str, Any]:
    context = audited(wells=wells, splits=list(LeaveBatchOut().split(wells)), normalizer=normalizer)
    return {f.key.removeprefix("audit/"): f for f in Confounding().findings(context)}


def test_controls_in_two_columns_are_tied_to_position_column_and_edge_but_not_to_the_row(audited: Any) -> None:
    found = of(audited, grid(outer))
    assert found["confounding/role_x_position"].value == pytest.approx(1)
    assert found["confounding/role_x_column"].value == pytest.approx(1)
    assert found["confounding/role_x_row_corrected"].value == 0
    edge = grid(outer)
    at_edge = edge["row"].isin([1, 8]) | edge["column"].isin([1, 12])
    assert found["confounding/role_x_edge"].value == pytest.approx(cramers_v(edge["role"], at_edge.astype(str))[0])
    assert found["confounding/role_x_edge_corrected"].reason == "role is tied to edge: a score may be about the edge"
    assert found["position/auroc"].value == 1
    assert found["position/auroc"].lower > 0.98
    assert found["position/auroc"].n == 576


def test_controls_at_random_positions_are_tied_to_none_of_them(audited: Any) -> None:
    scores = []
    for seed in range(5):
        found = of(audited, grid(anywhere, n_plates=12, seed=seed))
        for place in ("position", "row", "column", "edge"):
            assert found[f"confounding/role_x_{place}_corrected"].value < 0.15
        scores.append(found["position/auroc"])
    assert abs(np.mean([score.value for score in scores]) - 0.5) < 0.04
    assert sum(score.lower > 0.5 for score in scores) <= 1


def test_wells_without_rows_and_columns_are_told_by_their_names_alone(audited: Any) -> None:
    found = of(audited, grid(outer).drop(columns=["row", "column"]))
    assert found["position/auroc"].value == 1
    assert found["confounding/role_x_position"].value == pytest.approx(1)
    for place in ("row", "column", "edge"):
        assert np.isnan(found[f"confounding/role_x_{place}"].value)
        assert found[f"confounding/role_x_{place}"].reason == f"no {place} is known"


def test_position_is_not_scored_without_a_fold_that_holds_both_roles(audited: Any) -> None:
    wells = grid(outer)
    found = of(audited, wells.assign(role="treated"))
    assert found["position/auroc"].code == "one_role"


def test_columns_that_the_normalization_declares_are_named(audited: Any) -> None:
    class Reads(Normalizer):
        reads = ("plate_map", "compound")

    key = "confounding/declared_columns"
    assert (of(audited, grid(outer), Raw())[key].value, of(audited, grid(outer), Raw())[key].code) == (0, "")
    reads = of(audited, grid(outer), Reads())[key]
    assert (reads.value, reads.code) == (2, "reads_compound")
    assert reads.reason.startswith("the normalization reads compound, plate_map: ")


@pytest.mark.parametrize("compound", [None, "", np.nan])
def test_unknown_compounds_are_undefined_with_the_reason(audited: Any, compound: Any) -> None:
    wells = design().drop(columns="compound") if compound is None else design().assign(compound=compound)
    found = findings(audited, wells)["compound_x_batch"]
    assert np.isnan(found.value)
    assert found.reason == "no compound is known"


def test_a_single_batch_is_undefined_with_the_reason(audited: Any) -> None:
    found = findings(audited, design().assign(batch="b1"))["role_x_batch"]
    assert np.isnan(found.value)
    assert found.reason == "role or batch takes one value only"
