"""The page: numbers as stored, data as text, nothing loaded, gaps named."""

from __future__ import annotations

import base64
import io
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import client_of, run_compare, runs_of
from matplotlib.text import Text
from PIL import Image

from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.verdict import Verdict
from harness.compare.comparison_group import ComparisonGroup, comparison_group
from harness.compare.formatting import format_number
from harness.compare.plots import VERDICT_STYLES, batch_removed, tradeoff_plot
from harness.compare.report import report
from harness.compare.table import CONTRAST
from harness.compare.terminal import print_scorecards
from harness.core.exceptions import InputError
from harness.core.finding import Finding
from harness.core.score_schema import COLUMNS
from harness.figure.scorecard import MARKS
from harness.tracking.stored_run import latest

pytestmark = pytest.mark.slow

KEY = "t/m/auroc"
PROBE = "batch_effect/probe_balanced_accuracy"
EVIL = "<img src=x onerror=alert(1)>"
DRAWS = 99


@dataclass
class Stored:
    """A fabricated run."""

    name: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    status: str = "FINISHED"
    params: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise InputError(f"no table {name}")
        return self.tables[name]

    def file(self, path: str) -> bytes:
        if path not in self.files:
            raise InputError(f"no file {path}")
        return self.files[path]


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5), "red").save(buffer, "png")
    return buffer.getvalue()


def audit(contrast: float) -> pd.DataFrame:
    rows = [
        ("audit/spike_in/matched/prevalence", 0.11, np.nan, np.nan),
        ("audit/spike_in/matched/contrast", contrast, contrast - 0.03, contrast + 0.02),
        ("audit/spike_in/matched/retention", contrast - 0.1, np.nan, np.nan),
        ("audit/effects_kept/ratio", 0.4321, 0.3, 0.6),
        ("audit/effects_kept/worst_ratio", 0.7, 0.6, 1.25),
        ("audit/effects_kept/auroc", 0.617, 0.4, 0.9),
    ]
    return pd.DataFrame(rows, columns=["key", "value", "lower", "upper"]).assign(n=9, reason="")


def run(
    name: str,
    auroc: float,
    *,
    verdict: str = "",
    folds: int = 5,
    full: bool = False,
    tags: Mapping[str, str] | None = None,
    extra: Mapping[str, float] | None = None,
    **changes: object,
) -> Stored:
    """A run of one model; ``full`` adds an audit and pictures."""
    own = {"norm": name, "scope": "train", "data": "screen", "split": "leave_batch_out", "data_fingerprint": "d"}
    own |= {"verdict": verdict} if verdict else {}
    metrics = {KEY: auroc, f"{KEY}_lower": auroc - 0.0421, f"{KEY}_upper": auroc + 0.0317, f"{KEY}_by_fold": auroc}
    metrics |= {"t/m/balanced_accuracy": auroc - 0.0713, "t/baseline_row_norm/auroc": 0.5389}
    metrics |= {PROBE: 0.6172, f"{PROBE}_null_mean": 0.2345, **(extra or {})}
    names = [f"b{i}" for i in range(folds)]
    by_fold = pd.DataFrame({"task": "t", "model": "m", "metric": "auroc", "over": "fold", "fold": names, "group": ""})
    by_fold = by_fold.assign(
        value=auroc + 0.001 * np.arange(folds), lower=auroc - 0.2, upper=auroc + 0.1, n=9, reason=""
    )
    spread = np.random.default_rng(len(name)).normal(auroc, 0.02, DRAWS)
    drawn = pd.DataFrame({"metric": "auroc", "draw": range(DRAWS), "value": spread, "task": "t", "model": "m"})
    predicted = pd.DataFrame({"fold": "b0", "plate": ["p1", "p1", "p2"], "well": ["A01", "A02", "A01"]})
    tables = {"scores": by_fold[COLUMNS], "resamples": drawn, "predictions": pd.concat([predicted, predicted])}
    files = {"verdict.txt": f"{verdict}: Because of {name},\n1 < 2. Do it.\n\nScorecard\n".encode()} if verdict else {}
    if full:
        tables["audit"] = audit(auroc)
        metrics["audit/spike_in/matched/contrast"] = auroc
        files |= {f"figures/{figure}.png": png() for figure in ("umap", "plate_correlation")}
    made = Stored(name, own | dict(tags or {}), metrics, tables=tables, files=files)
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def page_of(*runs: Stored, experiment: str = "toy") -> str:
    return report([comparison_group(experiment, runs)], command="python -m harness.compare toy --html report.html")


class Reader(HTMLParser):
    """Tags with attributes, the text of each table row, and all text with its spaces as a browser shows them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.inside = False
        self.preformatted = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.preformatted = self.preformatted or tag == "pre"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        elif tag == "small" and self.inside:
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")
        self.preformatted = self.preformatted and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.text += data if self.preformatted else re.sub(r"\s+", " ", data)
        if self.inside:
            self.rows[-1][-1] += data

    def row(self, name: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == name)


def test_leaderboard_shows_the_numbers_that_are_stored() -> None:
    runs = [run("raw", 0.6111, verdict="under-normalizes"), run("median", 0.7222, verdict="sound"), run("noise", 0.5)]
    group = comparison_group("toy", runs)
    row = Reader(page_of(*runs)).row("median")
    expected = group.table.set_index("norm").loc["median"]
    difference = [expected[f"{KEY}_minus_raw{s}"] for s in ("", "_lower", "_upper")]
    assert row == [
        "median",
        "train",
        "sound",
        "0.722 [0.680, 0.754]",
        "0.651",
        "{} [{}, {}]".format(*(format_number(value, "+") for value in difference)),
        f"{expected[f'{KEY}_minus_raw_p_holm']:.3f}",
        "0.617 null 0.234",
        "-",
        "0.539 row_norm",
    ]
    assert expected[f"{KEY}_minus_raw_p"] == pytest.approx(1 / (DRAWS + 1))
    assert expected[f"{KEY}_minus_raw_p_holm"] == pytest.approx(2 / (DRAWS + 1))
    assert difference[0] == pytest.approx(0.7222 - 0.6111)


def test_raw_is_not_compared_with_itself_and_the_number_compared_is_said() -> None:
    reader = Reader(page_of(run("raw", 0.6), run("median", 0.7), run("noise", 0.5), run("rank", 0.65)))
    assert reader.row("raw")[6] == "-"
    assert "Holm-corrected for 3 normalizations compared per model" in reader.text


def test_verdicts_rank_and_anchors_come_last() -> None:
    runs = [
        run("oracle", 0.9, verdict="sound"),
        run("leaky", 0.8, verdict="leaks"),
        run("fine", 0.7, verdict="sound"),
        run("better", 0.75, verdict="sound"),
        run("silent", 0.85),
        run("raw", 0.6, verdict="under-normalizes"),
    ]
    assert comparison_group("toy", runs).ranked()["norm"].tolist() == [
        "better",
        "fine",
        "raw",
        "silent",
        "leaky",
        "oracle",
    ]
    assert {"sound", "leaks", "over-normalizes", "under-normalizes", "inconclusive", "no signal"} == set(VERDICT_STYLES)


def card(batch: str) -> pd.DataFrame:
    """The scorecard of a run, with this answer to whether the batch is gone."""
    value = {"yes": 0.0, "no": 0.7}[batch]
    finding = Finding("audit/batch_probe/controls/excess", value, value - 0.05, value + 0.05)
    null = Finding("audit/batch_probe/controls/null_upper", 0.1)
    return Verdict().decide([finding, null], ScreenDesign(5, 20)).scorecard()


def test_scorecards_say_what_else_removes_the_batch() -> None:
    uncorrected = run("raw", 0.6, verdict="under-normalizes")
    uncorrected.tables = {**uncorrected.tables, "scorecard": card("no")}
    batch_removed = run("tvn", 0.7, verdict="inconclusive")
    batch_removed.tables = {**batch_removed.tables, "scorecard": card("yes")}
    anchor = run("noise", 0.5, verdict="inconclusive")
    leaks = run("leaky", 0.9, verdict="leaks")
    for other in (anchor, leaks):
        other.tables = {**other.tables, "scorecard": card("yes")}
    page = page_of(uncorrected, batch_removed, anchor, leaks)
    text = Reader(page).text
    assert "Of the runs here, these remove the batch: tvn." in text
    assert text.count("Is the batch gone?") == 4
    assert 'alt="Scorecard"' in page


def test_marks_stand_in_the_order_of_the_questions(capsys: pytest.CaptureFixture[str]) -> None:
    uncorrected = run("raw", 0.6, verdict="under-normalizes")
    uncorrected.tables = {**uncorrected.tables, "scorecard": card("no")}
    print_scorecards(comparison_group("toy", [uncorrected]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = [line.split() for line in lines if line.startswith("raw")]
    assert row == ["raw", "under-normalizes", "?", "?", MARKS["no"], *"??????"]


def test_counts_and_paragraphs() -> None:
    text = Reader(page_of(run("raw", 0.6, verdict="inconclusive"), run("mean", 0.7))).text
    assert "3 held-out wells · 2 plates · 5 held-out batches · 2 finished runs" in text
    assert "Because of raw, 1 < 2. Do it." in text
    assert "No verdict was recorded for: mean." in text


@pytest.mark.parametrize("where", ["norm", "data", "verdict", "failure", "baseline", "fold", "experiment", "reason"])
def test_markup_from_data_is_text(where: str) -> None:
    first = run("raw", 0.6, full=True)
    second = run("mean", 0.7, full=True, folds=2)
    experiment = "toy"
    if where == "norm":
        second = run(EVIL, 0.7, full=True, folds=2)
    elif where == "data":
        first.tags = second.tags = {**first.tags, "data": EVIL, "split": EVIL, "scope": EVIL, "command": EVIL}
    elif where == "verdict":
        second.tags = {**second.tags, "verdict": EVIL}
        second.files = {**second.files, "verdict.txt": EVIL.encode()}
    elif where == "failure":
        second.status, second.tags = "FAILED", {**second.tags, "failure": EVIL}
    elif where == "baseline":
        second.metrics = {**second.metrics, f"t/{EVIL}/auroc": 0.99}
    elif where == "fold":
        scores = second.tables["scores"].assign(fold=[EVIL, "b"])
        first.tables = second.tables = {**second.tables, "scores": scores}
    elif where == "experiment":
        experiment = EVIL
    elif where == "reason":
        row = pd.DataFrame({"key": ["audit/effects_kept"], "reason": [EVIL]})
        second.tables = {**second.tables, "audit": pd.concat([second.tables["audit"], row])}
    page = page_of(first, second, experiment=experiment)
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    reader = Reader(page)
    assert EVIL in reader.text
    assert all("onerror" not in attributes for _, attributes in reader.tags)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    tags = {"command": "python -m harness data.paths=[https://example.org/x.csv]"}
    page = page_of(run("raw", 0.6, full=True, tags=tags), run("mean", 0.7, full=True))
    reader = Reader(page)
    assert {tag for tag, _ in reader.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "base"})
    sources = [a[k] or "" for _, a in reader.tags for k in ("src", "href", "srcset", "action") if k in a]
    assert sources
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    anchors = {source[1:] for source in sources if source.startswith("#")}
    assert anchors <= {attributes.get("id") for _, attributes in reader.tags}
    assert not re.search(r"url\(|@import", page)
    assert "https://example.org/x.csv" in reader.text


def test_pictures_are_the_stored_ones() -> None:
    page = page_of(run("raw", 0.6, full=True), run("mean", 0.7, full=True))
    embedded = [base64.b64decode(code) for code in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    assert embedded == [png()] * 4


def test_spike_in_tables_are_those_of_the_audit() -> None:
    reader = Reader(page_of(run("raw", 0.6, full=True), run("mean", 0.7, full=True), run("rank", 0.65)))
    rows = [row for row in reader.rows if row and row[0] == "mean"]
    assert ["mean", "0.432 [0.300, 0.600]", "0.700 [0.600, 1.250]", "-", "0.617 [0.400, 0.900]", "-"] in rows
    assert "spiked: 11% of treated wells" in reader.text
    assert "Without spike-ins: rank." in reader.text


@pytest.mark.parametrize(("folds", "labelled"), [(1, True), (3, True), (4, False)])
def test_few_held_out_batches_are_shown_one_by_one(folds: int, *, labelled: bool) -> None:
    reader = Reader(page_of(run("raw", 0.6, folds=folds), run("mean", 0.7, folds=folds)))
    assert (f"plates only, {folds} batches" in reader.text) is labelled
    rows = [row for row in reader.rows if row[:2] == ["mean", "t/m"]]
    shown = [f"{0.7 + 0.001 * i:.3f} [0.500, 0.800]" for i in range(folds)]
    assert rows == ([["mean", "t/m", *shown]] if labelled else [])


def test_failed_and_unfinished_runs_are_listed_with_the_reason() -> None:
    failed = run("mean", 0.7, status="FAILED", tags={"failure": "plate 'p1' has 2 controls"})
    page = page_of(run("raw", 0.6), failed, run("rank", 0.6, status="RUNNING"))
    reader = Reader(page)
    assert reader.row("mean") == ["mean", "FAILED", "plate 'p1' has 2 controls"]
    assert reader.row("rank") == ["rank", "RUNNING", "no result (still running, or interrupted)"]


def test_nothing_finished_is_still_a_page() -> None:
    reader = Reader(page_of(run("mean", 0.7, status="FAILED", tags={"failure": "no"})))
    assert reader.row("mean") == ["mean", "FAILED", "no"]


def test_what_is_missing_is_named() -> None:
    bare = run(
        "mean",
        0.7,
        tables={"resamples": run("mean", 0.7).tables["resamples"]},
        metrics={f"{KEY}_by_fold": 0.7, KEY: 0.7},
    )
    text = Reader(page_of(bare)).text
    for said in (
        "No finished run of raw",
        "No run has both a score and a batch probe",
        "No run has spike-ins",
        "UMAP: no picture of mean",
        "Without a stored command (settings are in the run's parameters): mean.",
    ):
        assert said in text


def test_settings_that_differ_are_listed() -> None:
    text = Reader(page_of(run("raw", 0.6, params={"n": "1"}), run("mean", 0.7, params={"n": "2"}))).rows
    assert ["n", "1, 2"] in text


def test_commands_are_those_that_were_typed() -> None:
    noted = run("mean", 0.7, tags={"mlflow.note.content": "mean AUROC 0.7\n\n`python -m harness +norm=mean`"})
    tagged = run("raw", 0.6, tags={"command": "python -m harness +norm=raw 'model=[logistic]'"})
    text = Reader(page_of(tagged, noted)).text
    assert "python -m harness +norm=raw 'model=[logistic]'\npython -m harness +norm=mean" in text
    assert "python -m harness.compare toy --html report.html" in text


def test_batch_removed_is_scaled_by_its_null() -> None:
    np.testing.assert_allclose(batch_removed(np.array([0.2, 1.0, 0.6]), np.array([0.2, 0.2, 0.2])), [1, 0, 0.5])


def _crowd(shift: float) -> ComparisonGroup:
    runs = [run(f"norm number {i}", 0.6 + shift * i) for i in range(12)]
    return comparison_group("toy", runs)


@pytest.mark.parametrize("shift", [0.0, 0.002])
def test_names_in_the_plot_do_not_overlap(shift: float) -> None:
    drawn = tradeoff_plot(_crowd(shift), "t/m/auroc", "AUROC", nothing=0.5)
    assert drawn is not None
    figure, unnamed = drawn
    figure.canvas.draw()
    texts = figure.axes[0].texts
    assert len(texts) + len(unnamed) == 12
    assert len(texts) > 4
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [Text.get_window_extent(text, renderer) for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_biology_kept_is_drawn_as_contrast_of_the_spike_in_beside_auroc() -> None:
    kept = {CONTRAST: 0.6, f"{CONTRAST}_lower": 0.5, f"{CONTRAST}_upper": 0.7}
    runs = [run("raw", 0.6, extra=dict.fromkeys(kept, 1.0)), run("mean", 0.8, extra=kept)]
    drawn = tradeoff_plot(comparison_group("toy", runs), CONTRAST, "contrast", nothing=0.0)
    assert drawn is not None
    heights = sorted(y for line in drawn[0].axes[0].lines if line.get_marker() != "None" for y in line.get_ydata())
    assert heights == [0.6, 1.0]
    assert Reader(page_of(*runs)).row("mean")[-2] == "0.600 [0.500, 0.700]"
    assert tradeoff_plot(comparison_group("toy", [run("raw", 0.6)]), CONTRAST, "contrast", nothing=0.0) is None


@pytest.mark.slow
def test_two_hundred_runs_take_seconds() -> None:
    runs = [run("raw", 0.6, full=True)]
    runs += [run(f"norm {i}", 0.5 + i / 500, verdict="sound", full=True, params={"norm.k": f"{i}"}) for i in range(199)]
    start = time.process_time()
    page = page_of(*runs)
    assert time.process_time() - start < 10
    assert page.count("data:image/png") == 48
    assert "Pictures of the first 24 of 200 runs" in page


def test_the_page_is_written_and_kept_as_a_run_that_is_not_compared(tmp_path: Path, sweep: Path) -> None:
    uri = f"sqlite:///{sweep}/mlruns/mlflow.db"
    before = runs_of(sweep)
    outcome = run_compare(tmp_path, "demo", "--uri", uri, "--html", "page.html", "--no-log")
    assert (outcome.status, outcome.err) == (0, "")
    page = (tmp_path / "page.html").read_text()
    reader = Reader(page)
    for name, stored in before.items():
        metrics = stored.data.metrics
        auroc = "dmso_vs_treated/logistic/auroc"
        span = f"[{metrics[f'{auroc}_lower']:.3f}, {metrics[f'{auroc}_upper']:.3f}]"
        assert f"{metrics[auroc]:.3f} {span}" in reader.row(name)
        assert stored.data.tags["command"] in reader.text
    assert "python -m harness.compare demo" in reader.text


@pytest.fixture
def sweep_copy(tmp_path: Path, sweep: Path) -> Path:
    """The sweep's database and the files of its runs."""
    shutil.copytree(sweep / "mlruns", tmp_path / "mlruns", ignore=shutil.ignore_patterns("store", "units"))
    return tmp_path


def test_a_logged_page_is_a_run_of_its_own(tmp_path: Path, sweep_copy: Path, sweep: Path) -> None:
    first = run_compare(sweep_copy, "demo", "--html", "page.html")
    assert first.status == 0
    assert first.line.endswith(f"no more in {sweep}/mlruns/artifacts")
    client = client_of(sweep_copy)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (kept,) = client.search_runs([experiment.experiment_id], filter_string="tags.kind = 'comparison'")
    assert (kept.info.run_name, kept.info.status) == ("comparison", "FINISHED")
    stored = Path(client.download_artifacts(kept.info.run_id, "report.html", str(tmp_path)))
    assert stored.read_text() == (sweep_copy / "page.html").read_text()
    again = run_compare(sweep_copy, "demo", "--html", "again.html", "--no-log")
    assert again.status == 0
    assert "comparison" not in [row[0] for row in Reader((sweep_copy / "again.html").read_text()).rows if row]
    assert len(client.search_runs([experiment.experiment_id], filter_string="tags.kind = 'comparison'")) == 1


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, sweep: Path) -> None:
    uri = f"sqlite:///{sweep}/mlruns/mlflow.db"
    outcome = run_compare(tmp_path, "demo", "--uri", uri, "--html", "nowhere/page.html")
    assert outcome.status == 2
    assert "nowhere/page.html" in outcome.line


def test_runs_of_one_name_are_told_apart_by_the_members_they_chose_and_not_by_every_setting_of_them() -> None:
    def with_members(*models: str, **settings: str) -> Stored:
        own = {f"model.{m}.{key}": f"{m} {key}" for m in models for key in ("_target_", "classifier.C")}
        return replace(run("raw", 0.6), params={**own, "seed": "0", **settings})

    one, two = with_members("logistic"), with_members("lightgbm", "logistic")
    assert set(latest([one, two])) == {"raw (model=[logistic])", "raw (model=[lightgbm,logistic])"}
    other = with_members("logistic", **{"model.logistic.classifier.C": "9"})
    assert set(latest([one, other])) == {
        "raw (model.logistic.classifier.C=9)", "raw (model.logistic.classifier.C=logistic classifier.C)"
    }  # fmt: skip


def test_a_run_that_was_cut_off_does_not_hide_an_older_one_that_finished() -> None:
    newer, older, oldest = run("raw", 0.6, status="KILLED"), run("raw", 0.61), run("raw", 0.62)
    assert latest([newer, older, oldest]) == {"raw": older}
    assert latest([newer, replace(oldest, status="FAILED")]) == {"raw": newer}
