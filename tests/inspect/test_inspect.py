"""What ``python -m harness.inspect`` says of screens, without computing or recording anything."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Outcome, _as_process
from hydra.utils import get_class
from omegaconf import OmegaConf

from harness.cli.error_messages import CONF, member_names
from harness.core.exceptions import InputError
from harness.data.tables import Tables
from harness.inspect import sample_columns
from harness.inspect.applicable import judge_members
from harness.inspect.command import cli
from harness.inspect.declared import declared_attribute, targets_of
from harness.inspect.duration import expected_seconds, format_duration
from harness.inspect.facts import COUNTED, Facts, facts_of, unmet_need
from harness.inspect.sample_columns import SkimmedTables
from harness.inspect.text_layout import command_lines

GROUPS = ("norm", "split", "audit", "baseline")


def screen(n_plates: int = 6, *, n_controls: int = 6) -> pd.DataFrame:
    """Plates of 24 wells in three batches, cell counts, two wells of each compound on a plate."""
    rng = np.random.default_rng(4)
    tables = []
    for p in range(n_plates):
        compounds = ["DMSO"] * n_controls + [f"c{i // 2}" for i in range(24 - n_controls)]
        table = pd.DataFrame(
            {"Metadata_Plate": f"p{p}", "Metadata_Well": [f"{'ABCD'[i // 6]}{i % 6 + 1}" for i in range(24)]}
        )
        tables.append(
            table.assign(Metadata_Batch=f"b{p // 2}", Metadata_Compound=compounds, Metadata_Count_Cells=80 + p)
        )
    df = pd.concat(tables, ignore_index=True)
    return df.assign(**{f"Cells_f{i}": rng.normal(50, 2, len(df)) for i in range(5)})


def run(folder: Path, *arguments: str) -> Outcome:
    with _as_process(folder, ["harness.inspect", *arguments]) as (out, err):
        try:
            status = cli()
        except SystemExit as end:
            status = int(end.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def paragraphs(text: str) -> dict[str, str]:
    """Sections of the page by their first word, blanks and line breaks as one blank."""
    return {part.split()[0].rstrip(":"): " ".join(part.split()) for part in text.split("\n\n") if part.strip()}


def test_the_page_of_a_screen_that_says_everything(tmp_path: Path) -> None:
    screen().to_csv(tmp_path / "s.csv", index=False)
    outcome = run(tmp_path, "data.paths=[s.csv]")
    assert (outcome.status, outcome.err) == (0, "")
    page = paragraphs(outcome.out)
    assert "batch Metadata_Batch 3 batches" in page["Columns"]
    assert "controls Metadata_Compound DMSO 36 wells" in page["Columns"]
    assert "b1 2 48 6 0 0 9" in page["Plates"]
    assert page["Features"].startswith("Features: 5")
    assert "cell_count, combat" in page["Normalizations"]
    assert "oracle screens with a planted truth: 0 (1 needed)" in page["Normalizations"]
    assert "pseudo_batch plates in the largest batch: 2 (4 needed)" in page["Checks"]
    assert "do not" not in page["Splits"]
    assert "(3 folds)" in page["Expected"]
    assert page["Command"] == "Command python -m harness +norm=dmso_within data=tables 'data.paths=[s.csv]'"
    assert {path.name for path in tmp_path.iterdir()} == {"s.csv"}  # nothing was recorded


def test_the_command_has_what_the_screen_needs_and_what_was_given(tmp_path: Path) -> None:
    df = screen(3).rename(columns={"Metadata_Compound": "Wirkstoff"}).drop(columns="Metadata_Count_Cells")
    df.loc[3, "Cells_f2"] = np.nan
    df.assign(Metadata_Batch="only", batch="only", Wirkstoff=df["Wirkstoff"].replace("DMSO", "Träger")).to_csv(
        tmp_path / "s.csv", index=False
    )
    given = ["data.paths=[s.csv]", "data.controls.column=Wirkstoff", "data.controls.values=['Träger']"]
    outcome = run(tmp_path, *given)
    assert outcome.status == 0, outcome.err
    words = shlex.split(outcome.out.partition("Command\n")[2].replace("\\\n", " "))
    expected = ["+norm=dmso_within", "data=tables", *given, "split=leave_plate_out", "data.on_missing=drop_features"]
    assert words == ["python", "-m", "harness", *expected]
    page = paragraphs(outcome.out)
    assert "1 hold missing or infinite values" in page["Features"]
    assert "leave_batch_out batches: 1 (2 needed)" in page["Splits"]


def test_a_pattern_is_copied_as_it_was_typed(tmp_path: Path) -> None:
    screen().to_csv(tmp_path / "s.csv", index=False)
    outcome = run(tmp_path, "data.paths=[s.csv]", "batch=regex", r"batch.pattern=^(p\d)$")
    assert outcome.status == 0, outcome.err
    assert shlex.split(outcome.out.partition("Command\n")[2].replace("\\\n", " "))[-1] == r"batch.pattern=^(p\d)$"
    assert "batch batch=regex 6 batches" in paragraphs(outcome.out)["Columns"]


def test_a_screen_that_is_refused_shows_its_columns(tmp_path: Path) -> None:
    df = screen().rename(columns={"Metadata_Well": "孔", "Metadata_Compound": "Wirkstoff"})
    df.to_csv(tmp_path / "s.csv", index=False)
    outcome = run(tmp_path, "data.paths=[s.csv]")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "no well column" in outcome.err
    assert "Wirkstoff" in outcome.out
    assert "A1, A2, A3, A4, ..." in outcome.out
    assert "Traceback" not in outcome.out + outcome.err


@pytest.mark.parametrize("width", [72, 80, 120])
def test_lines_fit_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = "Metadata_a_column_with_a_very_long_name_that_says_which_plate_this_is"
    screen().assign(**{long: "x"}).to_csv(tmp_path / "s.csv", index=False)
    outcome = run(tmp_path, "data.paths=[s.csv]", "data.columns.compound=Metadata_Compound")
    assert outcome.status == 0, outcome.err
    assert max(map(len, outcome.out.splitlines())) <= width
    assert "\x1b" not in outcome.out


def test_batches_are_not_inferred_from_values_that_were_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen().to_csv(tmp_path / "s.csv", index=False)
    monkeypatch.setattr(sample_columns, "LARGE", 10)
    outcome = run(tmp_path, "data.paths=[s.csv]", "batch=inferred")
    assert outcome.status == 2
    assert "batches are inferred from values" in outcome.err
    outcome = run(tmp_path, "data.paths=[s.csv]")
    assert "values: the first 48 rows of one file were read" in outcome.out


@pytest.mark.parametrize("data", [("data=demo", "data.size=tiny")])
def test_a_simulated_screen(tmp_path: Path, data: tuple[str, ...]) -> None:
    outcome = run(tmp_path, *data)
    assert outcome.status == 0, outcome.err
    page = paragraphs(outcome.out)
    assert "oracle" in page["Normalizations"].partition("do not")[0]
    assert page["Command"].endswith("python -m harness +norm=dmso_within data=demo data.size=tiny")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet"])
def test_a_large_file_is_skimmed_to_the_same_facts(tmp_path: Path, ending: str) -> None:
    df = screen(n_plates=8)
    path = tmp_path / f"s.{ending}"
    df.to_parquet(path) if ending == "parquet" else df.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    whole, skimmed = Tables(paths=str(path)), SkimmedTables.of(Tables(paths=str(path)))
    assert skimmed.outline.features == whole.outline.features
    pd.testing.assert_frame_equal(skimmed.outline.wells, whole.outline.wells, check_dtype=False)
    np.testing.assert_array_equal(skimmed.heads[0], whole.outline.parts[0][: len(skimmed.heads[0])])
    assert len(skimmed.heads[0]) == 48
    assert skimmed.outline.parts[0].strides[0] == 0  # no memory for values that were not read
    assert skimmed.report.tables["conventions"] == whole.report.tables["conventions"]


def test_a_refusal_of_a_skimmed_file_names_the_file(tmp_path: Path) -> None:
    screen().drop(columns="Metadata_Plate").to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InputError) as error:
        _ = SkimmedTables.of(Tables(paths=str(tmp_path / "s.csv"))).outline
    assert str(error.value).startswith(f"{tmp_path / 's.csv'}: no plate column")


@pytest.mark.parametrize("group", GROUPS)
def test_needs_are_read_from_the_source_as_python_has_them(group: str) -> None:
    for name in member_names(group):
        for target in targets_of(OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"), resolve=False)):
            member = get_class(target)
            assert tuple(declared_attribute(target, "needs") or ()) == tuple(getattr(member, "needs", ())), target
            if isinstance(getattr(member, "requires", ()), tuple):  # a chain's are those of its steps
                assert tuple(declared_attribute(target, "requires") or ()) == getattr(member, "requires", ()), target


def rich_facts() -> Facts:
    return dict.fromkeys(COUNTED, 1000) | {name: 0 for name in COUNTED if "without" in name}


@pytest.mark.parametrize("group", GROUPS)
def test_everything_applies_where_nothing_is_lacking(group: str) -> None:
    reasons = {member.name: member.reason for member in judge_members(group, rich_facts()) if member.reason}
    assert set(reasons) <= {"harmony"}
    every = [need for name in member_names(group) for need in _needs(group, name)]
    for need in every:
        fact = need.split()[0]
        assert fact in COUNTED
        lacks = {**rich_facts(), fact: 10**6 if "without" in fact else 0}
        assert unmet_need(need, lacks) is not None
        assert unmet_need(need, rich_facts()) is None


def _needs(group: str, name: str) -> list[str]:
    node = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"), resolve=False)
    return [need for target in targets_of(node) for need in declared_attribute(target, "needs") or ()]


def test_facts_are_counted_in_wells_of_roles() -> None:
    table = {"plate": ["p"] * 4 + ["q"] * 3, "well": list("aabc") + list("abc"), "batch": ["b"] * 4 + ["c"] * 3}
    table |= {"role": ["negcon", "negcon", "treated", "empty", "treated", "treated", "poscon"], "row": [1] * 6 + [None]}
    table |= {"compound": ["", "", "x", "", "x", "y", "z"], "cell_count": [3, 3, None, None, 4, 5, 6]}
    parts = [np.array([[1, -1, 0]], dtype=np.float32), np.array([[2, 3, -4]], dtype=np.float32)]
    facts = facts_of(pd.DataFrame(table), parts, simulated=False)
    assert facts == {
        "plates": 2, "batches": 2, "batches_of_two_plates": 0, "plates_of_largest_batch": 1, "controls": 1,
        "controls_per_plate": 0, "controls_per_batch": 0, "wells_without_position": 1, "wells_without_cell_count": 2,
        "plates_without_cell_counts": 0, "compounds": 3, "replicated_treatments": 1, "nonnegative_features": 1,
        "planted": 0, "known_scores": 0,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"expected e\.g\. 'batches >= 2'"):
        unmet_need("batches > 2", facts)


def test_durations_in_words() -> None:
    assert [format_duration(s) for s in (3, 44, 100, 3600, 20000)] == [
        "about 10 seconds", "about 40 seconds", "about 2 minutes", "about 60 minutes", "about 6 hours",
    ]  # fmt: skip
    wells = pd.DataFrame({"plate": "p", "well": range(632)})
    assert 34 <= expected_seconds(wells, 516, 10) <= 90  # BBBC021: 68 s of processor time on two cores
    assert 28 <= expected_seconds(pd.DataFrame({"plate": "p", "well": range(7528)}), 128, 5) <= 80  # demo: 57 s


def test_a_long_command_is_read_by_a_shell_as_it_is() -> None:
    words = ["python", "-m", "harness", "data.paths=[a b.csv]", "x" * 90, "it's", r"^(W\d)_"]
    lines = command_lines(words, width=60)
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == words
    assert all(line.endswith("\\") for line in lines[:-1])


_MODULES = """
import atexit, runpy, sys
atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
runpy.run_module("harness.inspect", run_name="__main__", alter_sys=True)
"""


def test_nothing_heavy_is_imported_for_the_page(tmp_path: Path) -> None:
    screen().to_csv(tmp_path / "s.csv", index=False)
    ended = subprocess.run(
        [sys.executable, "-c", _MODULES, "data.paths=[s.csv]"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "Normalizations (+norm=)" in ended.stdout
    modules = set(ended.stderr.split())
    assert "pandas" in modules
    assert modules.isdisjoint({"sklearn", "scipy", "mlflow", "lightgbm", "umap", "optuna", "matplotlib", "numba"})
