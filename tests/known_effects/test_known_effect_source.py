from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError, NotApplicable
from harness.known_effects.scores import KnownEffectSource


def wells(**columns: Any) -> pd.DataFrame:
    """Make eleven wells of two plates: two controls, six of c1..c3, a positive control, an empty one, one unnamed."""
    table = pd.DataFrame(
        {
            "plate": ["p1"] * 6 + ["p2"] * 5,
            "well": [f"A{i:02d}" for i in range(1, 7)] + [f"B{i:02d}" for i in range(1, 6)],
            "batch": "b",
            "role": ["negcon", *["treated"] * 4, "empty", "negcon", "treated", "treated", "poscon", "treated"],
            "compound": ["DMSO", "c1", "c1", "c2", "007", "c1", "DMSO", "c2", "c3", "drug", ""],
            "dose": [np.nan, 1.0, 10.0, 1.0, 0.5, 1.0, np.nan, 1.0, 2.5, 4.0, 3.0],
        }
    )
    return table.assign(**columns)


def write(path: Path, table: dict[str, list[Any]]) -> str:
    frame = pd.DataFrame(table)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(
        path, index=False, sep="\t" if path.suffix == ".tsv" else ","
    )
    return str(path)


def values(member: KnownEffectSource, table: pd.DataFrame | None = None) -> dict[tuple[str, str], float]:
    known = member.match_wells(wells() if table is None else table).wells
    found = known[known["known_score"].notna()]
    return dict(zip(zip(found["plate"], found["well"], strict=True), found["known_score"], strict=True))


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_scores_of_a_table_reach_treated_and_positive_wells(tmp_path: Path, kind: str) -> None:
    table = {"id": ["c2", "drug", "007", "c1", "DMSO", "zz"], "z": [-3.5, 9.0, 0.25, None, 1.0, 2.0]}
    member = KnownEffectSource(path=write(tmp_path / f"s.{kind}", table), compound="id", score="z")
    expected = {("p1", "A04"): -3.5, ("p1", "A05"): 0.25, ("p2", "B02"): -3.5, ("p2", "B04"): 9.0}
    assert values(member) == expected
    known = member.match_wells(wells())
    assert known.report == ("3 of 5 compounds of the screen have a known score; 2 compounds of the table are not used")
    assert (known.name, known.by) == ("z", ["compound"])


def test_a_table_by_compound_and_dose(tmp_path: Path) -> None:
    table = {"compound": ["c1", "c1", "c2", "c2"], "uM": [10, 1, 1, 7], "score": [5.0, 2.0, 3.0, 4.0]}
    member = KnownEffectSource(path=write(tmp_path / "s.csv", table), dose="uM")
    assert values(member) == {("p1", "A02"): 2.0, ("p1", "A03"): 5.0, ("p1", "A04"): 3.0, ("p2", "B02"): 3.0}
    assert member.match_wells(wells()).by == ["compound", "dose"]


def test_a_column_of_the_wells_splits_a_compound_by_its_values() -> None:
    found = values(KnownEffectSource(column="dose"))
    assert found[("p1", "A02")] == 1.0
    assert found[("p1", "A03")] == 10.0
    assert ("p1", "A06") not in found  # empty
    assert ("p2", "B05") not in found  # compound not named
    assert len(found) == 7


def test_the_planted_strength_is_the_default_of_a_simulated_screen_only() -> None:
    member = KnownEffectSource()
    with pytest.raises(NotApplicable, match=r"set audit\.known_effects\.path"):
        member.match_wells(wells())
    member.join(wells(), {})
    truth = pd.DataFrame({"compound": ["c1", "c2", "c9"], "strength": [0.0, 2.5, 1.0], "active": True})
    member.join(wells(), {"compounds": truth})
    assert set(values(member).values()) == {0.0, 2.5}
    assert member.match_wells(wells()).name == "planted strength"


def test_what_is_set_wins_over_the_planted_strength() -> None:
    member = KnownEffectSource(column="dose")
    member.join(wells(), {"compounds": pd.DataFrame({"compound": ["c1"], "strength": [7.0]})})
    assert 7.0 not in values(member).values()


def test_without_compounds_there_is_nothing_to_join() -> None:
    with pytest.raises(NotApplicable, match="no column compound"):
        KnownEffectSource(column="dose").match_wells(wells().drop(columns="compound"))
    with pytest.raises(NotApplicable, match="no treated well"):
        KnownEffectSource(column="dose").match_wells(wells(compound=""))


def test_several_scores_of_a_compound_are_refused_or_averaged(tmp_path: Path) -> None:
    table = {"compound": ["c1", "c2", "c1", "c2", "c2"], "score": [1.0, 4.0, 2.0, 4.0, 4.0]}
    path = write(tmp_path / "s.csv", table)
    with pytest.raises(InputError, match=r"compound 'c1' has 2 scores \[1\.0, 2\.0\].*duplicates=mean"):
        KnownEffectSource(path=path).match_wells(wells())
    assert set(values(KnownEffectSource(path=path, duplicates="mean")).values()) == {1.5, 4.0}


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        ({"compound": ["x1"], "score": [1.0]}, {}, r"matches no row.*looked for \[\('c1',\).*holds \[\('x1',\)\]"),
        ({"compound": ["c1", "c2"], "score": ["2.5", "high"]}, {}, r"'score' holds 'high' in row 2 \(compound 'c2'\)"),
        ({"compound": ["c1"], "score": [np.inf]}, {}, r"holds inf in row 1"),
        ({"compound": ["c1", "zz"], "score": [None, 1.0]}, {}, "matches no row"),
        ({"compound": ["c1"], "value": [1.0]}, {}, r"no column 'score'; found \['compound', 'value'\]"),
        ({"compound": ["c1"], "score": [1.0]}, {"dose": "uM"}, "no column 'uM'"),
    ],
)
def test_unusable_tables(tmp_path: Path, table: dict[str, list[Any]], settings: dict[str, Any], message: str) -> None:
    member = KnownEffectSource(path=write(tmp_path / "s.csv", table), **settings)
    with pytest.raises(InputError, match=message):
        member.join(wells(), {})  # at the start of a run, not at its end


def test_unusable_columns_and_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column=moa holds 'x' in plate 'p1', well 'A02'; expected a finite number"):
        KnownEffectSource(column="moa").match_wells(wells(moa="x"))
    with pytest.raises(InputError, match="is empty in all 7 wells"):
        KnownEffectSource(column="moa").match_wells(wells(moa=np.nan))
    with pytest.raises(InputError, match="no column of the wells 'moa'"):
        KnownEffectSource(column="moa").match_wells(wells())
    with pytest.raises(InputError, match="matches nothing"):
        KnownEffectSource(path=str(tmp_path / "absent.csv")).match_wells(wells())
    with pytest.raises(InputError, match="set one of the two"):
        KnownEffectSource(path="a.csv", column="dose")
    with pytest.raises(InputError, match=r"duplicates='first': expected one of \['error', 'mean'\]"):
        KnownEffectSource(duplicates="first")
    path = write(tmp_path / "s.csv", {"compound": ["c1"], "dose": [1], "score": [1.0]})
    with pytest.raises(InputError, match="no column of the wells 'dose'"):
        KnownEffectSource(path=path, dose="dose").match_wells(wells().drop(columns="dose"))
