from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.montage.compose import blend_channels, display_range
from harness.montage.image import read_channel, shrink


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_counts_survive_whatever_the_depth(tmp_path: Path, dtype: type, suffix: str) -> None:
    if suffix == ".png" and dtype not in (np.uint8, np.uint16):
        pytest.skip("PNG holds 8 or 16 bits")
    pixels = np.random.default_rng(0).integers(0, np.iinfo(np.uint8).max, (40, 64)).astype(dtype)
    pixels[0, 0] = 255 if dtype == np.uint8 else 40_000
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path)
    found = read_channel(path, 100)
    assert (found.status, found.size, found.depth) == ("read", "64 x 40", np.dtype(dtype).name)
    np.testing.assert_array_equal(found.pixels, pixels.astype(np.float32))


@pytest.mark.parametrize("shape", [(1000, 700), (999, 1), (1, 999), (257, 255), (100, 100), (30, 40)])
def test_large_images_become_means_and_small_ones_stay(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(30_000, 60_000, shape).astype(np.uint16)
    small = shrink(pixels, 100)
    assert max(small.shape) == min(100, max(shape))
    assert small.dtype == np.float32
    if max(shape) <= 100:
        np.testing.assert_array_equal(small, pixels)
    assert small.mean() == pytest.approx(pixels.mean(), rel=0.02)
    ratio = small.shape[0] * shape[1] / (small.shape[1] * shape[0])
    assert min(shape) == 1 or ratio == pytest.approx(1, rel=0.03)


def test_colour_images_are_read_as_grey(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), dtype=np.uint8)
    pixels[:, :, 0] = 90
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_channel(tmp_path / "a.png", 50)
    assert found.pixels is not None
    np.testing.assert_allclose(found.pixels, 30)


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no image")
    (tmp_path / "empty.tif").touch()
    (tmp_path / "folder.tif").mkdir()
    statuses = {name: read_channel(tmp_path / f"{name}.tif", 50) for name in ("text", "empty", "folder", "none")}
    assert {name: found.status for name, found in statuses.items()} == {
        "text": "corrupt", "empty": "corrupt", "folder": "missing", "none": "missing",
    }  # fmt: skip
    assert statuses["folder"].reason == "not a file"
    assert statuses["text"].reason == "not an image"


def test_no_damage_to_a_file_goes_beyond_its_tile(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    path = tmp_path / "a.tif"
    for compression in (None, "tiff_lzw", "tiff_deflate"):
        Image.fromarray(rng.integers(0, 60_000, (30, 40)).astype(np.uint16)).save(path, compression=compression)
        whole = path.read_bytes()
        statuses = set()
        for _ in range(120):
            damaged = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.5 else whole)
            for place in rng.integers(0, min(len(damaged), 400), 6):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            statuses.add(read_channel(path, 50).status)
        assert statuses <= {"read", "corrupt"}
        assert "corrupt" in statuses


def test_images_too_large_for_memory_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.fromarray(np.zeros((60, 60), dtype=np.uint8)).save(tmp_path / "a.tif")
    found = read_channel(tmp_path / "a.tif", 50)
    assert found.status == "corrupt"
    assert "exceeds limit" in found.reason


def test_a_channel_that_never_varies_is_black_and_free_parts_white() -> None:
    flat = np.full((4, 6), 77, dtype=np.float32)
    scale = {"a": display_range([flat, flat], (1, 99))}
    tile = blend_channels({"a": flat}, {"a": (255, 0, 0)}, scale, (10, 8))
    assert tile.shape == (8, 10, 3)
    assert (tile[2:6, 2:8] == 0).all()
    assert (tile == 0).all(axis=2).sum() == 24
    assert (tile[0] == 255).all()
