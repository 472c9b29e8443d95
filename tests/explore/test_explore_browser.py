"""The explorer in a real browser. Screenshots are left in pytest's temporary folder."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.explore.page import explorer_page
from harness.explore.points import View

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: browser)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30_000  # milliseconds
EVIL = '<img src=x onerror="document.title=1">'
EVIL_PLATE = "</script><script>document.title=2</script>"


def maps() -> tuple[pd.DataFrame, pd.DataFrame]:
    """20 plates on a line from left to right, 8 wells each, one above the other; the second map is turned by 90
    degrees and lacks the last plate."""
    plate, well = np.divmod(np.arange(160), 8)
    names = np.array([f"plate {i + 1}" if i != 10 else EVIL_PLATE for i in range(20)], dtype=object)
    points = pd.DataFrame(
        {
            "plate": names[plate],
            "well": [f"{chr(66 + i)}03" for i in well],
            "batch": np.where(plate < 12, "first", "second"),
            "role": np.where(well < 2, "negcon", "treated"),
            "compound": np.where(well < 2, "DMSO", [f"taxol {i}" if i < 6 else "TAX" for i in well]),
            "umap_1": plate * 1.0,
            "umap_2": well * 2.0,
            "likeness": np.where(well == 3, np.nan, plate + well / 10),
        }
    )
    points.loc[(plate == 0) & (well == 7), "compound"] = EVIL
    turned = points.assign(umap_1=points["umap_2"], umap_2=points["umap_1"])[plate < 19]
    return points, turned.drop(columns="likeness")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one, other = maps()
    views = [
        View(name="raw", note="norm raw (plate) · data toy · split none", points=one),
        View(name="turned", note="norm turned (train) · data toy · split none", points=other),
    ]
    file = tmp_path_factory.mktemp("explorer") / "explorer.html"
    file.write_text(explorer_page(views, title="Map of wells: toy"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(started: Any) -> Iterator[Any]:
    chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield chromium
    chromium.close()


@pytest.fixture
def opened(browser: Any, path: Path, tmp_path: Path) -> Iterator[Any]:
    """The page; whatever the browser complains of, and whatever the page asks the network for, fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    trouble: list[str] = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
    tab.on("request", lambda asked: None if asked.url.startswith(("file:", "blob:")) else trouble.append(asked.url))
    tab.goto(path.as_uri())
    tab.locator("body[data-drawn]").wait_for()
    yield tab
    tab.screenshot(path=tmp_path / "explorer.png", full_page=True)
    assert tab.title() == "Map of wells: toy"
    assert trouble == []
    context.close()


def drawn(tab: Any, act: Any) -> None:
    """Do it, then wait until the picture has followed."""
    before = tab.evaluate("Number(document.body.dataset.drawn ?? 0)")
    act()
    tab.wait_for_function("n => Number(document.body.dataset.drawn ?? 0) > n", arg=before)


def count(tab: Any) -> str:
    return str(tab.locator("#count").inner_text())


def ink(tab: Any) -> tuple[float, float, int]:
    """Where coloured pixels lie on the canvas: mean column and row as fractions, and how many there are."""
    x, y, n = tab.evaluate(
        """async () => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const canvas = document.querySelector("#canvas"), { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          let x = 0, y = 0, n = 0;
          for (let i = 0; i < data.length; i += 4) {
            const colour = [data[i], data[i + 1], data[i + 2]];
            if (data[i + 3] < 128 || Math.max(...colour) - Math.min(...colour) < 40) continue;
            x += (i / 4) % width; y += Math.floor(i / 4 / width); n++;
          }
          return [x / n / width, y / n / height, n];
        }"""
    )
    return float(x), float(y), int(n)


def spot(tab: Any, plate: float, well: float) -> tuple[float, float]:
    """Where the point of a plate (0..19) and well (0..7) is on the screen, in the first map."""
    box = tab.locator("#canvas").bounding_box()
    half = box["height"] / 2 / 1.05  # the distance of the camera, in halves of the canvas
    return (
        box["x"] + box["width"] / 2 + (plate - 9.5) / 9.5 * half,
        box["y"] + box["height"] / 2 - (2 * well - 7) / 9.5 * half,
    )


def lasso(tab: Any, left: float, right: float) -> None:
    """Around all wells of the plates from ``left`` to ``right``."""
    corners = [(left - 0.5, -0.5), (left - 0.5, 7.5), (right + 0.5, 7.5), (right + 0.5, -0.5), (left - 0.3, -0.5)]
    tab.locator("#lasso").click()
    tab.mouse.move(*spot(tab, *corners[0]))
    tab.mouse.down()
    for corner in corners[1:]:
        tab.mouse.move(*spot(tab, *corner), steps=8)
        tab.wait_for_timeout(60)
    tab.mouse.up()
    tab.locator("#selection").wait_for()


def saved(tab: Any) -> pd.DataFrame:
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "selection.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    header, *rows = csv.reader(io.StringIO(text))
    return pd.DataFrame(rows, columns=header)


def test_it_opens_with_everything_and_says_what_it_shows(opened: Any) -> None:
    assert opened.locator("h1").inner_text() == "Map of wells: toy"
    assert "norm raw (plate) · data toy" in opened.locator("#note").inner_text()
    assert count(opened) == "160 of 160 wells shown, on 20 of 20 plates"
    assert opened.locator("#legend").inner_text().split() == ["negative", "control", "40", "treated", "120"]
    x, y, n = ink(opened)
    assert (x, y) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.5, abs=0.02))
    assert n > 160 * 8


def test_hovering_names_the_well(opened: Any) -> None:
    opened.mouse.move(*spot(opened, 4, 6))
    opened.mouse.move(*spot(opened, 4, 5))
    opened.locator("#tip").wait_for()
    words = opened.locator("#tip dd").all_inner_texts()
    assert words == ["plate 5", "G03", "first", "treated", "taxol 5", "4.5"]
    opened.mouse.move(*spot(opened, 4.5, 5.5))
    opened.locator("#tip").wait_for(state="hidden")
    opened.mouse.move(*spot(opened, 4, 5))
    opened.locator("#tip").wait_for()
    drawn(
        opened, lambda: opened.locator("#batch").evaluate("e => { e.value = 1; e.dispatchEvent(new Event('input')) }")
    )
    assert opened.locator("#tip").is_hidden()


def test_sliding_over_plates_moves_the_window(opened: Any) -> None:
    drawn(opened, lambda: opened.locator("#start").fill("0"))
    assert count(opened) == "16 of 160 wells shown, on 2 of 20 plates"
    left = ink(opened)[0]
    drawn(opened, lambda: opened.locator("#start").fill("18"))
    assert "plates 19 to 20 of 20: plate 19 … plate 20" in opened.locator("#window").inner_text()
    assert ink(opened)[0] > left + 0.4
    drawn(opened, lambda: opened.locator("#width").fill("5"))
    assert "plates 16 to 20 of 20" in opened.locator("#window").inner_text()
    assert count(opened) == "40 of 160 wells shown, on 5 of 20 plates"
    opened.locator("#start").focus()
    drawn(opened, lambda: opened.keyboard.press("ArrowLeft"))
    assert "plates 15 to 19 of 20" in opened.locator("#window").inner_text()
    drawn(opened, lambda: opened.get_by_label("all plates").check())
    assert count(opened) == "160 of 160 wells shown, on 20 of 20 plates"


def test_playing_runs_to_the_last_plate(opened: Any) -> None:
    drawn(opened, lambda: opened.locator("#start").fill("15"))
    drawn(opened, lambda: opened.get_by_role("button", name="Play").click())
    opened.get_by_role("button", name="Play").wait_for()
    assert "plates 19 to 20 of 20" in opened.locator("#window").inner_text()


def test_filters_of_role_and_batch_combine(opened: Any) -> None:
    drawn(opened, lambda: opened.get_by_label("treated").uncheck())
    assert count(opened) == "40 of 160 wells shown, on 20 of 20 plates"
    drawn(opened, lambda: opened.locator("#batch").select_option(label="second"))
    assert count(opened) == "16 of 160 wells shown, on 8 of 20 plates"
    assert opened.locator("#legend").inner_text().split() == ["negative", "control", "16", "treated", "0"]


def test_search_finds_a_whole_name_before_its_parts(opened: Any) -> None:
    drawn(opened, lambda: opened.locator("#search").fill("taxol"))
    assert count(opened) == "80 of 160 wells shown, on 20 of 20 plates"
    assert opened.locator("#found").inner_text().startswith("4 compounds: taxol 2, taxol 3, taxol 4 and 1 more")
    drawn(opened, lambda: opened.locator("#search").fill("tax"))
    assert count(opened) == "39 of 160 wells shown, on 20 of 20 plates"
    drawn(opened, lambda: opened.locator("#search").fill("nothing"))
    assert count(opened) == "0 of 160 wells shown, on 0 of 20 plates"
    assert "No compound" in opened.locator("#found").inner_text()
    drawn(opened, lambda: opened.locator("#search").fill(""))
    assert count(opened).startswith("160 of 160")


def test_a_malicious_name_stays_text(opened: Any) -> None:
    drawn(opened, lambda: opened.locator("#search").fill("onerror"))
    assert EVIL in opened.locator("#found").inner_text()
    drawn(opened, lambda: opened.locator("#colour").select_option("compound"))
    assert EVIL in opened.locator("#legend").inner_text()
    opened.mouse.move(*spot(opened, 0, 6.8))
    opened.mouse.move(*spot(opened, 0, 7))
    opened.locator("#tip").wait_for()
    assert EVIL in opened.locator("#tip").inner_text()
    opened.get_by_role("button", name="Select all shown").click()
    assert EVIL in opened.locator("#table").inner_text()
    assert saved(opened)["compound"].tolist() == [EVIL]
    drawn(opened, lambda: opened.locator("#start").fill("10"))
    assert EVIL_PLATE in opened.locator("#window").inner_text()
    assert opened.locator("img").count() == 0
    assert opened.locator("script").count() == 3  # description, library, program; the binary one is gone


def test_lasso_table_and_csv_hold_the_same_wells(opened: Any) -> None:
    lasso(opened, 3, 5)
    assert opened.locator("#selected").inner_text() == "24 wells selected, black on the map"
    rows = opened.locator("#table tbody tr").all_inner_texts()
    assert rows[0].split("\t") == ["plate 4", "B03", "first", "negcon", "DMSO", "3"]
    assert len(rows) == 24
    table = saved(opened)
    wanted = maps()[0].query("plate in ['plate 4', 'plate 5', 'plate 6']").reset_index(drop=True)
    for name in ("plate", "well", "compound"):
        assert table[name].tolist() == wanted[name].tolist()
    assert set(table["norm"]) == {"raw"}
    for name in ("umap_1", "umap_2", "likeness"):
        number = pd.to_numeric(table[name]).to_numpy(np.float64)
        np.testing.assert_allclose(number, wanted[name], atol=2e-3)
    opened.get_by_role("button", name="Clear").click()
    opened.locator("#selection").wait_for(state="hidden")


def test_another_normalization_moves_the_points_and_keeps_the_selection(opened: Any) -> None:
    lasso(opened, 17, 19)
    drawn(opened, lambda: opened.locator("#colour").select_option("batch"))
    drawn(opened, lambda: opened.locator("#start").fill("0"))
    assert ink(opened)[0] < 0.4
    drawn(opened, lambda: opened.get_by_label("turned").check())
    assert "norm turned (train)" in opened.locator("#note").inner_text()
    x, y, _ = ink(opened)
    assert (x, y > 0.7) == (pytest.approx(0.5, abs=0.03), True)  # the first plates are at the bottom now
    drawn(opened, lambda: opened.get_by_label("all plates").check())
    assert count(opened) == "152 of 152 wells shown, on 19 of 20 plates"
    assert opened.locator("#selected").inner_text() == "24 wells selected, black on the map"
    table = saved(opened)
    assert set(table["norm"]) == {"turned"}
    assert (table.loc[table["plate"] == "plate 20", "umap_1"] == "").all()
    drawn(opened, lambda: opened.get_by_label("raw").check())
    assert count(opened).startswith("160 of 160")
    assert opened.locator("#selected").inner_text() == "24 wells selected, black on the map"


def test_every_colouring_has_its_key(opened: Any) -> None:
    keys = {}
    for name in ("batch", "plate", "compound", "score\nlikeness"):
        drawn(opened, lambda name=name: opened.locator("#colour").select_option(name))
        keys[name] = opened.locator("#legend").inner_text().split("\n")
    assert keys["batch"] == ["first", "96", "second", "64"]
    assert keys["plate"] == ["plate 1", "plate 20"]
    assert keys["compound"][:2] == ["DMSO", "40"]
    assert keys["score\nlikeness"][-1] == "undefined"
    assert keys["score\nlikeness"][0].startswith("≤ 0.")


def test_keys_move_and_zoom(opened: Any) -> None:
    before = ink(opened)
    opened.locator("#canvas").focus()
    for _ in range(3):
        opened.keyboard.press("ArrowLeft")
    opened.wait_for_timeout(200)
    assert ink(opened)[0] > before[0] + 0.05
    opened.keyboard.press("0")
    for _ in range(4):
        opened.keyboard.press("-")
    opened.wait_for_timeout(200)
    assert ink(opened)[2] < before[2]


def test_without_webgl_the_page_says_what_to_do(started: Any, path: Path) -> None:
    chromium = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-3d-apis"])
    tab = chromium.new_page()
    tab.goto(path.as_uri())
    assert "Switch on hardware acceleration" in tab.locator("#message").inner_text()
    assert tab.locator("#start").is_disabled()
    chromium.close()


def test_in_a_frame_that_forbids_all_but_scripts_the_selection_can_be_copied(browser: Any, path: Path) -> None:
    """As MLflow's viewer shows it."""
    tab = browser.new_page(viewport={"width": 1300, "height": 900})
    tab.set_default_timeout(PATIENCE)
    tab.set_content('<iframe sandbox="allow-scripts" style="width: 1250px; height: 850px"></iframe>')
    tab.evaluate(
        """text => {
          const blob = new Blob([text], { type: "text/html" });
          document.querySelector("iframe").src = URL.createObjectURL(blob);
        }""",
        path.read_text(encoding="utf-8"),
    )
    frame = tab.frame_locator("iframe")
    frame.locator("body[data-drawn]").wait_for()
    frame.get_by_role("button", name="Select all shown").click()
    assert "use Copy" in frame.locator("#framed").inner_text()
    frame.get_by_role("button", name="Copy as CSV").click()
    assert frame.locator("#copied").inner_text() == "160 rows copied"
    tab.close()
