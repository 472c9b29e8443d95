"""Names from data, of every kind, through the whole program: what is written lies where it should and is escaped."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import client_of, run_command, run_compare, runs_of, table_of
from oddities import NAMES

from harness.apply.command import cli as apply_cli
from harness.plotting.style import label

pytestmark = pytest.mark.slow

MARK = "onerror=alert"
FEATURES = ("Cells/../../../../up", f"<img src=x {MARK}(1)>", r"$\frac{", "two\nlines", "é細🧫", "y" * 10_000, "plain")
SMALL = ("n_resamples=20", "model=[logistic]", "processes=1")
READ = ("data=tables", "data.controls.column=compound", "data.controls.values=[DMSO]")
ALLOWED = re.compile(
    r"[\w\-. :/]+", re.ASCII
)  # what MLflow takes on every system in the keys of metrics and parameters


def hostile(above: Path) -> pd.DataFrame:
    """Four plates of two batches; ``above`` is a folder that no path may reach."""
    rng = np.random.default_rng(0)
    absolute, compounds = str(above / "escaped/x"), [*NAMES, r"$\frac{", "_", "{}", "%(x)s", str(above / "escaped/y")]
    plates = [f"../../../../../escaped/{MARK}\n", f"\u202e<img src=x {MARK}(1)>$x", "x" * 10_000, absolute]
    batches = [f"../../../../../../escaped<script>{MARK}(1)</script>", "細胞🧫 \u202e/abs\t$^$"]
    rows = [
        {
            "plate": plates[p],
            "well": f"{'ABCD'[w // 6]}{w % 6 + 1:02d}",
            "batch": batches[p // 2],
            "compound": "DMSO" if (5 * w + p) % 24 < 8 else compounds[w % len(compounds)],
            "moa": compounds[7 * w % len(compounds)],
            "dose": w % 3 + 0.1,
            "cell_count": int(rng.integers(20, 90)),
        }
        for p in range(4)
        for w in range(24)
    ]
    table = pd.DataFrame(rows)
    treated = (table["compound"] != "DMSO").to_numpy()[:, None] * (np.arange(len(FEATURES)) % 3 == 0)
    X = 50 + rng.normal(0, 3, (len(table), len(FEATURES))) + 4 * treated
    X += 40 * (np.arange(len(table)) // 48)[:, None]  # batches that can be found
    return table.join(pd.DataFrame(X, columns=list(FEATURES)))


class Tags(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def above(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("above")


@pytest.fixture(scope="module")
def folder(above: Path, _database: Path) -> Iterator[Path]:
    """The folder of two runs and a comparison, deep enough that what climbs out is still seen."""
    folder = above / "a/b/c/d/e/f"
    (folder / "mlruns").mkdir(parents=True)
    shutil.copy(_database, folder / "mlruns/mlflow.db")
    table = hostile(above)
    name = f"screen <b {MARK}> é🧫 $x$ ..parquet"
    table.to_parquet(folder / name)
    tasks = ("task=[dmso_vs_treated,assay_activity]", "task.assay_activity.column=moa",
             "task.assay_activity.min_active=1", "task.assay_activity.min_inactive=1")  # fmt: skip
    read = (*READ, f"data.paths=['{name}']", *SMALL)
    figures = "figure=[umap,plate_correlation,plate_view,control_likeness,explorer]"
    first = run_command(folder, "+norm=dmso_within", *read, *tasks, "audit=[plate_correlation]", figures)
    second = run_command(folder, "+norm=raw", *read, "audit=[]", "figure=[inferred_batches]", "batch=inferred",
                         "split=leave_plate_out", "split.n_folds=2")  # fmt: skip
    assert (first.status, second.status) == (0, 0), first.err + second.err
    compared = run_compare(folder, "--html", "report.html", "--each")
    assert compared.status == 0, compared.err
    return folder


@pytest.mark.usefixtures("folder")
def test_every_file_lies_below_the_folder_of_the_run(above: Path) -> None:
    made = [path.relative_to(above) for path in above.rglob("*") if path.is_file()]
    assert len(made) > 20
    top = {path.parts[:7] for path in made}
    inside = ("a", "b", "c", "d", "e", "f")
    assert {parts[:6] for parts in top} == {inside}
    assert {parts[6] for parts in top if not parts[6].startswith("screen")} == {"mlruns", "report.html"}


def test_no_name_from_data_becomes_part_of_a_file_name(folder: Path) -> None:
    for path in (folder / "mlruns").rglob("*"):
        own = str(path.relative_to(folder))
        assert own.isascii(), own
        assert not any(part in own for part in ("escaped", "..", MARK, "xxx", "yyy", "<", "$", "\n")), own


def test_metrics_parameters_and_tags_hold_no_name_from_data_in_their_keys(folder: Path) -> None:
    runs = runs_of(folder, "tables")
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ("comparison", "dmso_within", "raw"), "FINISHED"
    )
    for run in runs.values():
        for key in (*run.data.metrics, *run.data.params):
            assert ALLOWED.fullmatch(key), key
            assert ".." not in key
            assert len(key) < 250
        assert not any("escaped" in key or MARK in key for key in run.data.tags)


def test_tables_keep_the_names_as_they_are(folder: Path, above: Path) -> None:
    expected, run = hostile(above), runs_of(folder, "tables")["dmso_within"]
    assert set(table_of(folder, run, "predictions")["plate"]) == {name.strip() for name in expected["plate"]}
    scores = table_of(folder, run, "scores")
    assert set(scores.loc[scores["over"] == "fold", "fold"]) == set(expected["batch"])
    assert set(table_of(folder, run, "assays")["assay"]) <= {name.strip() for name in expected["moa"]}


def test_pages_hold_names_as_text_and_never_as_markup(folder: Path) -> None:
    client, run = client_of(folder), runs_of(folder, "tables")["dmso_within"]
    explorer = Path(client.download_artifacts(run.info.run_id, "explorer.html")).read_text("utf-8")
    report = (folder / "report.html").read_text("utf-8")
    for page, tags in ((report, {"img", "table"}), (explorer, {"script", "canvas"})):
        found = Tags(page)
        assert tags <= found.tags
        assert not any(name.startswith("on") for name in found.attributes)
        assert f"<img src=x {MARK}" not in page
        assert f"<b {MARK}" not in page
    assert "script" not in Tags(report).tags
    assert f"&lt;b {MARK}&gt;" in report
    description = re.search(r'<script id="description" type="application/json">(.*?)</script>', explorer, re.DOTALL)
    assert description is not None
    assert any(MARK in name for name in json.loads(description[1])["columns"]["plate"]["values"])


def test_profiles_for_use_elsewhere_keep_the_names(folder: Path, above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = folder.glob("screen*")
    words = ["+norm=dmso_within", "out=profiles.parquet", *READ, f"data.paths=['{source.name}']"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["harness.apply", *words])
    assert apply_cli() == 0
    written, expected = pd.read_parquet("profiles.parquet"), hostile(above)
    assert set(FEATURES) <= set(written.columns)
    for column in ("plate", "batch", "compound"):
        assert written[column].tolist() == expected[column].str.strip().tolist()
    assert sorted(p.name for p in folder.iterdir() if "profiles" in p.name) == [
        "profiles.parquet", "profiles.provenance.json", "profiles.statistics.npz"
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_a_figure_is_one_short_line_of_visible_characters(name: str) -> None:
    shown = label(name)
    assert len(shown.replace(r"\$", "$")) <= 24
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in shown)
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize("name", ["../../../escaped", "/two\nlines <b>é🧫", "x" * 400])
def test_an_experiment_of_any_name_is_kept_or_refused_in_one_line(name: str, folder: Path, above: Path) -> None:
    quoted = name.replace("\n", r"\n")
    outcome = run_command(
        folder,
        "+norm=raw",
        "data.size=tiny",
        "audit=[]",
        "figure=[]",
        "baseline=[]",
        *SMALL,
        f"tracking.experiment='{quoted}'",
    )
    assert outcome.status == 0 or (outcome.status == 2 and outcome.line)
    outside = {path.relative_to(above).parts[:6] for path in above.rglob("*") if path.is_file()}
    assert outside == {("a", "b", "c", "d", "e", "f")}
