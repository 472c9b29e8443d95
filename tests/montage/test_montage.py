from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Outcome, _as_process
from hydra import compose, initialize_config_dir
from PIL import Image

from harness.core.exceptions import InputError
from harness.montage.command import cli, write_montage
from harness.montage.contact_sheet import write_contact_sheet
from harness.tracking.tracking import Tracking

CHANNELS = "images.channels=[DNA,actin]"
Run = Callable[..., Outcome]


def put(folder: Path, plate: str, well: str, channel: str, pixels: Any) -> Path:
    path = folder / "images" / plate / f"{well}_s1_{channel}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Flat 16-bit images with one bright quarter; B02 has no actin, C03 a broken DNA, D04 another size, E05 8 bits."""
    rng = np.random.default_rng(0)
    for i, well in enumerate(["A01", "B02", "C03", "D04"]):
        for channel, level in (("DNA", 1000), ("actin", 7000)):
            shape = (90, 150) if well == "D04" else (120, 160)
            pixels = rng.integers(200, 220, shape).astype(np.uint16)
            pixels[: shape[0] // 2, : shape[1] // 2] = level * (i + 1)
            put(tmp_path, "p1", well, channel, pixels)
    (tmp_path / "images/p1/B02_s1_actin.tif").unlink()
    broken = tmp_path / "images/p1/C03_s1_DNA.tif"
    broken.write_bytes(broken.read_bytes()[:700])
    put(tmp_path, "p1", "E05", "DNA", np.full((120, 160), 255, dtype=np.uint8))
    return tmp_path


def settings(folder: Path, conf: Path, *overrides: str) -> Any:
    template = f"images.template='{folder}/images/{{plate}}/{{well}}_s{{site}}_{{channel}}.tif'"
    with initialize_config_dir(config_dir=str(conf), version_base="1.3"):
        return compose("montage", overrides=[template, CHANNELS, f"out={folder}/sheet.png", *overrides])


def command(folder: Path, *arguments: str) -> Outcome:
    with _as_process(folder, ["harness.montage", *arguments]) as (out, err):
        try:
            status = cli()
        except SystemExit as end:
            status = int(end.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def test_table_says_what_became_of_every_image(images: Path, conf: Path, capsys: Any) -> None:
    wells = "wells=['p1:A01','p1:B02','p1:C03','p1:D04','../../etc:A01']"
    table = write_contact_sheet(settings(images, conf, wells)).set_index(["plate", "well", "channel"])
    assert table["status"].to_dict() == {
        ("p1", "A01", "DNA"): "read",
        ("p1", "A01", "actin"): "read",
        ("p1", "B02", "DNA"): "read",
        ("p1", "B02", "actin"): "missing",
        ("p1", "C03", "DNA"): "corrupt",
        ("p1", "C03", "actin"): "read",
        ("p1", "D04", "DNA"): "read",
        ("p1", "D04", "actin"): "read",
        ("../../etc", "A01", "DNA"): "refused",
        ("../../etc", "A01", "actin"): "refused",
    }
    assert table.loc[("p1", "D04", "DNA"), ["size", "depth"]].tolist() == ["150 x 90", "uint16"]
    said = capsys.readouterr().out
    assert "6 of 10 images read" in said
    assert "1 corrupt" in said
    assert "1 missing" in said
    assert "2 refused, e.g. ../../etc: plate '../../etc' is no name of a file or folder" in said
    stored = pd.read_csv(images / "sheet.csv", keep_default_na=False, dtype=str)
    pd.testing.assert_frame_equal(stored, table.reset_index(), check_dtype=False, check_like=True)


def test_pixels_share_one_scale_and_channels_keep_their_colours(images: Path, conf: Path) -> None:
    wells = "wells=['p1:A01','p1:B02','p1:D04','p1:Z09']"
    write_contact_sheet(
        settings(images, conf, wells, "images.colours=[blue,lime]", "images.percentiles=[0,100]", "size=80")
    )
    sheet = np.asarray(Image.open(images / "sheet.png")).astype(int)
    bright = {}
    tops = np.flatnonzero(((sheet[:, :, 0] == 0) & (sheet.sum(axis=2) < 765)).sum(axis=1) > 200)  # dark rows of tiles
    for i, well in enumerate(["A01", "B02", "D04", "Z09"]):
        left = 8 + i * 88
        bright[well] = sheet[tops[0] + 15, left + 20]
    assert bright["A01"][2] == pytest.approx(255 * 800 / 3800, abs=4)  # 1,000 of 200 to 4,000 counts
    assert bright["A01"][1] == pytest.approx(255 * 6800 / 27800, abs=4)
    assert bright["B02"][:2].tolist() == [0, 0]  # its actin is missing
    assert bright["B02"][2] == pytest.approx(255 * 1800 / 3800, abs=4)
    assert bright["D04"].tolist() == [0, 255, 255]
    assert len(set(bright["Z09"].tolist())) == 1  # grey: nothing was read
    assert bright["Z09"][0] > 200


def test_sheet_grows_by_rows_and_is_not_overwritten_unasked(images: Path, conf: Path) -> None:
    wells = "wells=['p1:A01','p1:B02','p1:D04']"
    sizes = []
    for columns in (3, 1):
        write_contact_sheet(settings(images, conf, wells, f"columns={columns}", "force=true"))
        sizes.append(Image.open(images / "sheet.png").size)
    assert sizes[1][1] > sizes[0][1] + 2 * 120
    with pytest.raises(InputError, match="exists already"):
        write_contact_sheet(settings(images, conf, wells))


def test_mixed_depths_are_said(images: Path, conf: Path, capsys: Any) -> None:
    write_contact_sheet(settings(images, conf, "wells=['p1:A01','p1:E05']"))
    assert "images of different depths share one scale and cannot be compared: 2 uint16, 1 uint8" in (
        capsys.readouterr().out
    )


def test_wells_of_a_recorded_run_with_their_scores(images: Path, folder: Path, conf: Path) -> None:
    tracking = Tracking(uri=f"sqlite:///{folder}/mlruns/mlflow.db", artifacts=f"{folder}/artifacts", experiment="demo")
    least = pd.DataFrame({"plate": "p1", "well": ["D04", "A01", "B02"], "compound": ["<b>$x", None, "c"]})
    least["mahalanobis"] = [9.876, 8.0, 7.0]
    with tracking.run("raw", params={}, tags={"data_fingerprint": "x"}, dataset=("toy", "x")) as recorder:
        recorder.table("wells_least_control_like", least)
        recorder.table("wells_most_control_like", least.iloc[::-1].assign(well="C03"))
        recorder.table("no_wells", least[["plate"]])
    where = f"tracking.uri=sqlite:///{folder}/mlruns/mlflow.db"
    table = write_contact_sheet(settings(images, conf, where, "n=2"))
    assert table["well"].tolist() == ["D04", "D04", "A01", "A01", "C03", "C03", "C03", "C03"]
    only = write_contact_sheet(settings(images, conf, where, "tables=[wells_most_control_like]", "n=1", "force=true"))
    assert only["well"].tolist() == ["C03", "C03"]
    for wrong, reason in (
        ("tables=[no_wells]", r"lacks the columns \['well', 'mahalanobis'\]"),
        ("tables=[nothing]", "lacks table 'nothing'"),
        ("run=zzz", "0 finished runs"),
        ("score=nothing", r"lacks the columns \['nothing'\]"),
    ):
        with pytest.raises(InputError, match=reason):
            write_contact_sheet(settings(images, conf, where, wrong, "force=true"))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("wells=[A01]", "'A01' is not PLATE:WELL"),
        ("wells=['p9:A01']", r"none of 2 images could be read; the first, .*p9/A01_s1_DNA.tif: missing"),
        ("images.colours=[blue]", "1 colours for 2 channels"),
        ("images.colours=[blue,blurple]", "'blurple' is no colour"),
        ("images.channels=[DNA,DNA]", "each named once"),
        ("images.channels=null", "say where the images are"),
        ("images.percentiles=[99,1]", "in rising order"),
        ("size=1", "size=1: expected a whole number from 32"),
        ("out=sheet.jpg", "ends with .png"),
        ("out=nowhere/sheet.png", "no folder 'nowhere'"),
    ],
)
def test_wrong_settings_are_one_line(images: Path, conf: Path, setting: str, reason: str) -> None:
    chosen = ["wells=['p1:A01']"] if not setting.startswith("wells") else []
    cfg = settings(images, conf, *chosen, setting)
    with pytest.raises(InputError, match=reason):
        write_montage(cfg)
    assert not (images / "sheet.png").exists()


def test_command_takes_a_template_as_a_shell_hands_it_over(images: Path) -> None:
    template = "images.template=images/{plate}/{well}_s{site}_{channel}.tif"
    outcome = command(images, template, CHANNELS, "wells=[p1:A01]", "images.sites=[1,2]")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("montage.png: 2 tiles of 1 wells")
    assert "2 missing" in outcome.out
    wrong = command(images, template.replace("{plate}", "{plate.__class__}"), CHANNELS, "wells=[p1:A01]", "force=true")
    assert wrong.status == 2
    assert "unknown fields ['plate.__class__']" in wrong.line
