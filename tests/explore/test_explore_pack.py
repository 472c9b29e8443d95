from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.explore.pack import HALF, MISSING, dequantize, pack_views, quantize, to_json
from harness.explore.page import explorer_page
from harness.explore.points import View, join_views

EVIL = "<img src=x onerror=alert(1)>"
CLOSING = "</script><script>alert(2)</script><!--"


def table(n: int = 12, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    plate = np.repeat(["p10", "p9", "p2"], [5, 4, n - 9])
    return pd.DataFrame(
        {
            "plate": plate,
            "well": [f"B{i + 2:02d}" for i in range(n)],
            "batch": np.where(plate == "p2", "batch 10", "batch 2"),
            "role": np.where(np.arange(n) % 4 == 1, "negcon", "treated"),
            "compound": [EVIL, CLOSING, None, *("c" * (i % 3 + 1) for i in range(n - 3))],
            "umap_1": rng.normal(40, 9, n),
            "umap_2": rng.normal(-300, 1, n),
            "score": [np.nan, *rng.normal(5, 2, n - 1)],
        }
    )


def view(points: pd.DataFrame, name: str = "raw") -> View:
    return View(name=name, note=f"norm {name}", points=points)


def unpack(description: dict[str, Any], binary: bytes) -> list[pd.DataFrame]:
    """An independent reader: what the page should show of each view, points without coordinates left out."""
    kinds = {"Uint8Array": "u1", "Uint16Array": "<u2", "Uint32Array": "<u4", "Float32Array": "<f4"}

    def read(where: dict[str, Any]) -> np.ndarray[Any, Any]:
        return np.frombuffer(binary, dtype=kinds[where["type"]], count=where["length"], offset=where["at"])

    text = {name: np.array(c["values"], dtype=object)[read(c["codes"])] for name, c in description["columns"].items()}
    frames = []
    for shown in description["views"]:
        quantized = np.column_stack([read(shown["x"]), read(shown["y"])])
        at = dequantize(quantized, shown["centre"], shown["half"])
        scores = {name: read(where) for name, where in shown["scores"].items()}
        frame = pd.DataFrame(text | {"umap_1": at[:, 0], "umap_2": at[:, 1]} | scores)
        frames.append(frame[quantized[:, 0] != MISSING])
    return frames


def test_packing_gives_back_every_point() -> None:
    points = table()
    [found] = unpack(*pack_views(join_views([view(points)]), [view(points)]))
    found = found.set_index(["plate", "well"]).loc[list(zip(points["plate"], points["well"], strict=True))]
    assert found["compound"].tolist() == points["compound"].fillna("").tolist()
    assert found["batch"].tolist() == points["batch"].tolist()
    assert found["role"].tolist() == points["role"].tolist()
    np.testing.assert_array_equal(found["score"], points["score"].astype(np.float32))
    spread = (points["umap_1"].max() - points["umap_1"].min()) / 2  # the wider axis sets the scale of both
    for axis in ("umap_1", "umap_2"):
        np.testing.assert_allclose(found[axis], points[axis], atol=spread / 2 / HALF * 1.01)


def test_views_share_points_whatever_their_order_and_gaps() -> None:
    one, other = table(), table(seed=1).iloc[::-1].iloc[:7].reset_index(drop=True)
    frames = unpack(*pack_views(join_views([view(one), view(other, "z")]), [view(one), view(other, "z")]))
    assert [len(frame) for frame in frames] == [12, 7]
    for frame, points in zip(frames, (one, other), strict=True):
        key = ["plate", "well"]
        both = frame.merge(points, on=key, suffixes=("", "_given"))
        assert len(both) == len(points)
        np.testing.assert_allclose(both["umap_1"], both["umap_1_given"], atol=1e-2)
    assert set(frames[1].index) < set(frames[0].index)  # row i is the same well in both


def test_plates_stay_in_screen_order_and_other_names_sort_as_people_count() -> None:
    description, _ = pack_views(join_views([view(table())]), [view(table())])
    assert description["columns"]["plate"]["values"] == ["p10", "p9", "p2"]
    assert description["columns"]["batch"]["values"] == ["batch 2", "batch 10"]


def test_points_are_shuffled_so_that_no_plate_is_drawn_last() -> None:
    wells = join_views([view(table(4000))]).wells
    late = (wells["plate"].iloc[-1000:] == "p2").mean()
    assert late == pytest.approx((wells["plate"] == "p2").mean(), abs=0.02)
    assert wells["well"].tolist() != table(4000)["well"].tolist()


def test_quantization_keeps_proportions_and_marks_what_is_missing() -> None:
    at = np.array([[100.0, 5.0], [104.0, 5.0], [102.0, 6.0], [np.nan, np.nan]])
    quantized, centre, half = quantize(at)
    np.testing.assert_array_equal(quantized[3], MISSING)
    assert quantized[1, 0] - quantized[0, 0] == pytest.approx(
        4 * (quantized[2, 1].astype(int) - quantized[0, 1]), abs=4
    )
    assert (centre, half) == ([102.0, 5.5], 2.0)
    assert np.isfinite(quantize(np.full((3, 2), 7.0))[0]).all()


def test_bytes_per_point_stay_small() -> None:
    n = 60_000
    points = pd.DataFrame(
        {
            "plate": np.repeat([f"plate {i}" for i in range(300)], 200),
            "well": np.tile([f"W{i}" for i in range(200)], 300),
            "batch": "one",
            "role": "treated",
            "compound": [f"compound {i % 5000}" for i in range(n)],
            "umap_1": np.arange(n) * 1.0,
            "umap_2": 0.0,
            "score": 1.0,
        }
    )
    _, binary = pack_views(join_views([view(points)]), [view(points)])
    assert len(binary) / n <= 2 + 1 + 1 + 1 + 2 + 4 + 4 + 0.01  # plate, well, batch, role, compound, x and y, score
    assert len(explorer_page([view(points)], title="t")) < 60e6 * n / 1e6


def test_no_text_of_the_data_becomes_markup() -> None:
    document = explorer_page([view(table(), EVIL)], title=f"{CLOSING} & more")
    assert "<img" not in document
    assert "alert(2)</script>" not in document
    assert "<title>&lt;/script&gt;" in document
    packed = re.search(r'<script id="description" type="application/json">(.*?)</script>', document, re.DOTALL)
    assert packed is not None
    description = json.loads(packed[1])
    assert {EVIL, CLOSING} < set(description["columns"]["compound"]["values"])
    assert description["views"][0]["name"] == EVIL


def test_json_survives_what_html_and_javascript_treat_specially() -> None:
    nasty = "</SCRIPT><!-- \u2028 & \U0001f9ea {{binary}} \"'"
    assert not set("<>&") & set(to_json(nasty))
    assert json.loads(to_json(nasty)) == nasty


def test_names_in_braces_are_not_filled_in() -> None:
    points = table().assign(compound="{{binary}}")
    document = explorer_page([view(points)], title="{{library}}")
    assert '["{{binary}}"]' in document
    assert "<title>{{library}}</title>" in document


def test_the_page_may_load_nothing_and_run_only_its_own_scripts() -> None:
    document = explorer_page([view(table())], title="t")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', document)
    assert found is not None
    policy = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe-inline" not in found[1]
    assert not set(policy) & {"connect-src", "img-src", "frame-src", "worker-src"}
    assert "http" not in policy["script-src"] + policy["style-src"]
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", document)


def test_binary_in_the_page_is_the_packed_one() -> None:
    document = explorer_page([view(table())], title="t")
    found = re.search(r'<script id="binary" type="text/plain">([^<]*)<', document)
    assert found is not None
    assert base64.b64decode(found[1]) == pack_views(join_views([view(table())]), [view(table())])[1]


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ([], "no map given"),
        ([view(table().drop(columns="umap_2"))], r"lacks the columns \['umap_2'\]"),
        ([view(table().iloc[:0])], "no point of the map .raw. has coordinates"),
        ([view(table().assign(umap_1=np.nan))], "no point of the map .raw. has coordinates"),
        ([view(pd.concat([table(), table().iloc[4:5]]))], "plate 'p10', well 'B06' twice"),
        ([view(table()), view(table().assign(site="1"), "z")], "1 of 2 maps have a column 'site'"),
    ],
)
def test_bad_maps_are_refused(views: list[View], message: str) -> None:
    with pytest.raises(InputError, match=message):
        explorer_page(views, title="t")
