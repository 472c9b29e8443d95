"""MLflow's UI in a real browser: what a user sees of a sweep. Screenshots are left in pytest's temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from command import runs_of

from harness.tracking.tracking import Tracking

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: browser)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
KEY = "dmso_vs_treated/logistic/auroc"
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def address(sweep: Path) -> Iterator[str]:
    """An MLflow server on the sweep's database, on this machine only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"sqlite:///{sweep}/mlruns/mlflow.db"
    words = ["ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (sweep.parent / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            env=environment, stdout=log, stderr=log, start_new_session=True, cwd=sweep.parent,
        )  # fmt: skip
    try:
        yield _answering(f"http://127.0.0.1:{port}", server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _answering(address: str, server: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + 90
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"mlflow ui did not answer at {address} (exit status {server.poll()})")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1700, "height": 1000})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


def _view(sweep: Path, address: str) -> str:
    """What ``python -m harness.compare`` prints, on this server's port."""
    printed = Tracking(uri=f"sqlite:///{sweep}/mlruns/mlflow.db", experiment="demo").page()
    assert printed.startswith("http://127.0.0.1:5000/#/")
    return printed.replace("http://127.0.0.1:5000", address)


def test_run_table_shows_runs_and_scores(sweep: Path, address: str, page: Any, tmp_path: Path) -> None:
    page.goto(_view(sweep, address))
    runs = runs_of(sweep)
    for name in runs:
        page.get_by_role("link", name=name, exact=True).first.wait_for()
    page.locator(f'[col-id="metrics.`{KEY}`"]').first.wait_for()
    page.screenshot(path=tmp_path / "table.png")
    header, *cells = page.locator(f'[col-id="metrics.`{KEY}`"]').all_inner_texts()
    assert header.strip() == KEY
    shown = sorted(float(cell.strip().rstrip("….")) for cell in cells)
    stored = sorted(run.data.metrics[KEY] for run in runs.values())
    assert shown == pytest.approx(stored, abs=1e-6)


def test_chart_view_shows_images_of_all_runs_beside_each_other(
    sweep: Path, address: str, page: Any, tmp_path: Path
) -> None:
    page.goto(f"{_view(sweep, address)}&compareRunsMode=CHART")
    page.get_by_text("figures/plate_correlation").first.wait_for()
    page.wait_for_function(
        "n => [...document.images].filter(i => i.naturalWidth > 50 && i.src.includes('artifact')).length >= n", arg=9
    )
    boxes = page.evaluate(
        "[...document.images].filter(i => i.naturalWidth > 50 && i.src.includes('artifact'))"
        ".map(i => { const b = i.getBoundingClientRect(); return [b.left, b.top, b.width, b.height] })"
    )
    page.screenshot(path=tmp_path / "images.png")
    middles = {round(top + height / 2) // 20 for _, top, _, height in boxes}
    rows = {m: sorted(left for left, t, _, h in boxes if round(t + h / 2) // 20 == m) for m in middles}
    assert [len(lefts) for lefts in rows.values()] == [3, 3, 3]
    assert all(width > 100 and height > 50 for _, _, width, height in boxes)
    assert all(b - a >= boxes[0][2] for lefts in rows.values() for a, b in pairwise(lefts))


def test_chart_view_shows_metrics_as_charts(sweep: Path, address: str, page: Any, tmp_path: Path) -> None:
    page.goto(f"{_view(sweep, address)}&compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill(KEY)
    page.get_by_text("figures/plate_correlation").first.hover()
    raw = f"{runs_of(sweep)['raw'].data.metrics[KEY]:.2f}"
    bars = page.locator("svg.main-svg", has_text=raw)  # drawn once they are scrolled to
    for _ in range(40):
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(250)
        if bars.count():
            break
    page.screenshot(path=tmp_path / "charts.png")
    assert bars.first.is_visible()


def test_without_the_view_the_runs_are_still_found(sweep: Path, address: str, page: Any, tmp_path: Path) -> None:
    page.goto(f"{address}/#/experiments/1?workflowType=machine_learning")
    for name in runs_of(sweep):
        page.get_by_role("link", name=name, exact=True).first.wait_for()
    page.screenshot(path=tmp_path / "plain.png")
    assert "/runs" in page.url


def test_a_run_has_its_description_and_pictures(sweep: Path, address: str, page: Any, tmp_path: Path) -> None:
    run = runs_of(sweep)["dmso_within"]
    page.goto(f"{address}/#/experiments/1/runs/{run.info.run_id}?workflowType=machine_learning")
    page.get_by_text("python -m harness").first.wait_for()
    page.screenshot(path=tmp_path / "run.png")
    page.goto(f"{address}/#/experiments/1/runs/{run.info.run_id}/artifacts/figures/plate_correlation.png")
    page.wait_for_function("[...document.images].some(i => i.naturalWidth > 300)")
    page.screenshot(path=tmp_path / "artifact.png")
