from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.exceptions import InputError
from harness.montage.template import Refused, Template

WELL = {"plate": "24277", "well": "B02", "site": "1", "channel": "DNA", "batch": "b 1"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a/{plate}/{well}_s{site}_{channel}.tif", "a/24277/B02_s1_DNA.tif"),
        ("../a/x{plate}/r{row:02d}c{column:02d}f{site:03d}-{channel}.tif", "../a/x24277/r02c02f001-DNA.tif"),
        ("/data/{batch}/{plate}-{well}-{channel}.tif", "/data/b 1/24277-B02-DNA.tif"),
        ("{plate}_{well}_{channel}.tif", "24277_B02_DNA.tif"),
    ],
)
def test_fields_are_filled(text: str, path: str) -> None:
    assert Template(text, ["DNA", "actin"]).path(WELL) == Path(path)


@pytest.mark.parametrize(
    "value", ["../../etc", "..", ".", "/etc/passwd", "a/b", "a\\b", "x\0", "", None, float("nan"), "C:\\x"]
)
@pytest.mark.parametrize("name", ["plate", "well", "site", "channel"])
def test_no_value_leaves_the_folder(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=name):
        Template("a/{plate}/{well}_{site}_{channel}.tif", ["DNA"]).path({**WELL, name: value})


def test_a_value_that_climbs_once_it_is_formatted_is_refused() -> None:
    with pytest.raises(Refused, match="climbs out of 'a'"):
        Template("a/{plate:.2s}/{well}.tif", ["DNA"]).path({**WELL, "plate": "..secret"})


def test_values_are_not_templates_themselves() -> None:
    found = Template("a/{plate}/{well}.tif", ["DNA"]).path({**WELL, "plate": "{well.__class__}$(x)`y`"})
    assert found == Path("a/{well.__class__}$(x)`y`/B02.tif")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a/{plate}/{wel}.tif", r"unknown fields \['wel'\]"),
        ("a/{plate.name}/{well}{channel}.tif", r"unknown fields \['plate.name'\]"),
        ("a/{plate[0]}/{well}{channel}.tif", "unknown fields"),
        ("a/{}/{well}{channel}.tif", "unknown fields"),
        ("a/{plate!r}/{well}{channel}.tif", "conversions"),
        ("a/{plate:{well}}/{well}{channel}.tif", "a format may pad"),
        ("a/{plate/{well}.tif", "expected fields in braces"),
        ("a/{plate}_{channel}.tif", "says nothing of the well"),
        ("a/{plate}_{row}{channel}.tif", "says nothing of the well"),
        ("a/{plate}/{well}.tif", r"has no \{channel\}"),
    ],
)
def test_a_wrong_template_is_refused_before_anything_is_read(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Template(text, ["DNA", "actin"])


def test_a_format_that_does_not_fit_names_the_template() -> None:
    with pytest.raises(InputError, match="change the format"):
        Template("a/{plate:02d}/{well}.tif", ["DNA"]).path({**WELL, "plate": "Week1"})
    with pytest.raises(Refused, match="row is not known"):
        Template("a/{plate}/{row}_{column}.tif", ["DNA"]).path({**WELL, "well": "middle"})
