"""Arrays of any content in an npz file: either a screen of these very values, or one line that says what is wrong."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from oddities import few, one_line

from harness import Profiles
from harness.core.exceptions import InputError
from harness.data.npz import Npz
from harness.store.store import load

NAMES = ["p1_a01", "p1_a02_DMSO", "p1_a03", "p2_a01", "p2_a02_DMSO", "p2_a03"]


def written(**content: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    return buffer.getvalue()


def read(content: bytes) -> Profiles | str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screen.npz"
        path.write_bytes(content)
        try:
            profiles = load(Npz(path=str(path)), Path(folder) / "store")
        except InputError as refused:
            return one_line(refused)
        return profiles.replace(X=np.array(profiles.X), wells=profiles.wells.copy())


SHAPES = st.sampled_from([(6, 2), (6, 1), (6,), (5, 2), (0, 2), (6, 0), (6, 2, 1), ()])
ANY = st.one_of(
    arrays.scalar_dtypes(), arrays.byte_string_dtypes(max_len=9), arrays.unicode_string_dtypes(max_len=9),
    arrays.array_dtypes(max_size=2),
)  # fmt: skip


@given(X=SHAPES.flatmap(lambda shape: ANY.flatmap(lambda dtype: arrays.arrays(dtype, shape))))
@few(60)
def test_features_of_any_type_are_read_or_refused_in_one_line(X: Any) -> None:
    found = read(written(features=X, names=np.array(NAMES)))
    if isinstance(found, Profiles):
        assert X.dtype.kind in "fiu"
        assert np.isfinite(found.X).all()
        np.testing.assert_array_equal(found.X, X.astype(np.float32))


@given(names=ANY.flatmap(lambda dtype: arrays.arrays(dtype, 6)), sids=ANY.flatmap(lambda d: arrays.arrays(d, 6)))
@few(60)
def test_names_and_samples_of_any_type_are_read_or_refused_in_one_line(names: Any, sids: Any) -> None:
    X = np.arange(12.0).reshape(6, 2)
    found = read(written(features=X, names=names, sids=sids))
    if isinstance(found, Profiles):
        assert len(found.wells) == 6
    named = read(written(features=X, names=np.array(NAMES), sids=sids))
    if isinstance(named, Profiles):
        assert named.wells["plate"].tolist() == ["p1", "p1", "p1", "p2", "p2", "p2"]


@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), end=st.floats(0, 1))
@few(60)
def test_a_changed_byte_or_a_lost_end_is_refused_or_harmless(at: float, value: int, end: float) -> None:
    X = np.arange(12.0, dtype=np.float32).reshape(6, 2)
    whole = written(features=X, names=np.array(NAMES))
    changed = bytearray(whole)
    changed[int(at * len(whole))] = value
    for content in (bytes(changed), whole[: int(end * len(whole))]):
        found = read(content)
        if isinstance(found, Profiles):  # the byte was the same, or one that nobody reads
            np.testing.assert_array_equal(found.X, X)


@pytest.mark.parametrize("shape", ["(1000000000000, 3)", "(6, -2)", "(6, 2, 9999999999)", "(True, 2)"])
def test_a_header_that_promises_too_much_is_refused_in_one_line(shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(48)
    buffer = io.BytesIO(written(names=np.array(NAMES)))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("features.npy", npy)
    found = read(buffer.getvalue())
    assert isinstance(found, str)
    assert "screen.npz" in found
