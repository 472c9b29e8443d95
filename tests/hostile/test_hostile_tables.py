"""Tables of any content: either the very values that pandas reads, or one line that says what is wrong."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oddities import NAMES, as_stored, doubles, few, layout, names, one_line, ordinary

from harness import Profiles
from harness.core.exceptions import InputError
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.tables import Tables
from harness.store.store import load, open_store, store_folder

pytestmark = pytest.mark.slow

CONTROLS = {"column": "compound", "values": ["DMSO"]}
KEYS = ["plate", "well", "batch", "compound"]


def written(df: pd.DataFrame, ending: str) -> bytes:
    buffer = io.BytesIO()
    if ending == "parquet":
        df.to_parquet(buffer)
    else:
        df.to_csv(buffer, index=False, sep="\t" if ending == "tsv" else ",")
    return gzip.compress(buffer.getvalue(), 1) if ending.endswith("gz") else buffer.getvalue()


def read(content: bytes, ending: str, **options: Any) -> Profiles | str:
    """What the store holds of a file, after it was opened again, or the line that refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"screen.{ending}"
        path.write_bytes(content)
        source = Tables(paths=str(path), controls=CONTROLS, **options)
        try:
            load(source, Path(folder) / "store")
        except InputError as refused:
            said = one_line(refused)
            assert not any((Path(folder) / "store").glob("*/features.npy")), "a refused table was packed"
            return said
        opened = open_store(store_folder(source, Path(folder) / "store"))
        return opened.replace(X=np.array(opened.X), wells=opened.wells.copy())


def profiles_or_message(df: pd.DataFrame, **options: Any) -> Profiles | str:
    try:
        return profiles_from_frame(df, controls=CONTROLS, **options)
    except InputError as refused:
        return one_line(refused)


def in_plate_order(df: pd.DataFrame) -> pd.DataFrame:
    """As documented: plates in order of first appearance, rows of a plate as given."""
    return pd.concat([df[df["plate"] == plate] for plate in df["plate"].unique()], ignore_index=True)


COLUMNS = st.dictionaries(
    st.sampled_from(["plain", "Ärea µm²", "new\nline", 'comma, and "quotes"', "<b>", "0", "..", "nan", "f" * 300]),
    st.tuples(st.sampled_from(["float64", "float32", "int64", "Int64", "Float64", "uint8"]), st.integers(0, 10**6)),
    min_size=1,
    max_size=4,
)


@st.composite
def screens(draw: st.DrawFn, *, values: Any = ordinary) -> pd.DataFrame:
    """Interleaved plates, features of several types."""
    table = layout(draw(st.integers(1, 3)), draw(st.integers(3, 5)))
    table = table.sample(frac=1, random_state=draw(st.integers(0, 9))).reset_index(drop=True)
    for name, (kind, seed) in draw(COLUMNS).items():
        if kind.lower().startswith(("int", "uint")):
            column = np.random.default_rng(seed).integers(0, 255, len(table))
        else:
            column = draw(st.lists(values, min_size=len(table), max_size=len(table)))
        with np.errstate(over="ignore"):
            table[name] = pd.Series(column).astype(kind)
    return table


@few(25)
@given(screens(), st.sampled_from(["parquet", "csv", "csv.gz", "tsv"]))
def test_what_is_packed_equals_what_was_written(table: pd.DataFrame, ending: str) -> None:
    found = read(written(table, ending), ending)
    assert isinstance(found, Profiles), found
    expected = in_plate_order(table)
    features = [name for name in table if name not in KEYS]
    assert list(found.features) == features
    values = np.column_stack([as_stored(expected[name].astype("float64")) for name in features])
    np.testing.assert_allclose(found.X, values, rtol=2e-7, atol=1e-45)  # text of a number may differ in its last bit
    if ending == "parquet":
        np.testing.assert_array_equal(found.X, values)
    pd.testing.assert_frame_equal(found.wells[KEYS].astype(object), expected[KEYS].astype(object))
    assert found.wells["role"].tolist() == ["negcon" if c == "DMSO" else "treated" for c in expected["compound"]]


@few(40)
@given(screens(values=doubles), st.sampled_from(["parquet", "csv"]), st.sampled_from(["error", "impute_plate_median"]))
def test_odd_numbers_are_kept_or_refused_and_never_changed(table: pd.DataFrame, ending: str, on_missing: str) -> None:
    features = [name for name in table if name not in KEYS]
    stored = np.column_stack([as_stored(table[name].astype("float64")) for name in features])
    expected = stored[np.concatenate([np.flatnonzero(table["plate"] == p) for p in table["plate"].unique()])]
    known = np.abs(expected) <= 1e37  # NaN is not
    for found in (
        read(written(table, ending), ending, on_missing=on_missing),
        profiles_or_message(table, on_missing=on_missing),
    ):
        if isinstance(found, str):
            assert not known.all(), f"ordinary values were refused: {found}"
            continue
        kept = [features.index(name) for name in found.features]
        lost = sorted(set(range(len(features))) - set(kept))
        assert table[[features[i] for i in lost]].isna().to_numpy().all(), "only a wholly empty column is no feature"
        there = known[:, kept]
        assert on_missing == "impute_plate_median" or there.all()
        np.testing.assert_allclose(found.X[there], expected[:, kept][there], rtol=2e-7, atol=1e-45)
        assert np.isfinite(found.X).all()


@few(40)
@given(st.lists(names, min_size=9, max_size=9), st.sampled_from(["parquet", "csv"]))
def test_any_name_is_kept_as_it_is_or_refused(given_names: list[str], ending: str) -> None:
    table = layout(3, 6).assign(area=np.arange(18.0))
    plates, batches, compounds = given_names[:3], given_names[3:6], given_names[6:]
    for column, chosen, old in (("plate", plates, "P"), ("batch", batches, "B")):
        table[column] = table[column].map({f"{old}{i}": name for i, name in enumerate(chosen)})
    table["compound"] = table["compound"].replace({f"c{i}": name for i, name in zip((1, 2, 4), compounds, strict=True)})
    shown = table.map(lambda v: v.strip() if isinstance(v, str) else v)
    for found in (read(written(table, ending), ending), profiles_or_message(table)):
        if isinstance(found, str):
            continue
        expected = in_plate_order(shown)
        if ending == "parquet" or not any(odd in name for name in given_names for odd in "\r\0"):
            for column in KEYS:
                assert found.wells[column].map(plainly).tolist() == expected[column].map(plainly).tolist()


def plainly(name: str) -> str:
    """``7.0`` is ``7``; ``NA`` is a name."""
    return name.removesuffix(".0") if name.removesuffix(".0").isdigit() else name


@pytest.mark.parametrize("name", NAMES)
def test_a_plate_of_any_name_is_one_plate(name: str) -> None:
    table = layout(2, 6).assign(area=np.arange(12.0))
    table["plate"] = table["plate"].replace({"P1": name})
    found = read(written(table, "parquet"), "parquet")
    assert isinstance(found, Profiles)
    assert [plate.name for plate in found] == ["P0", name]
    assert found.wells.drop_duplicates("plate")["plate"].tolist() == ["P0", name]


ODD_COLUMNS = {
    "lists": [["a", "b"]] * 12,
    "dicts": [{"a": 1}] * 12,
    "bytes": [b"P\xc3\xa9", b"Q"] * 6,
    "numbers beyond float64": [10**400, -(10**400)] * 6,
    "complex": [1 + 2j] * 12,
    "intervals": [pd.Interval(0, 1)] * 12,
    "times": [pd.Timestamp("2020-01-01", tz="UTC"), pd.NaT] * 6,
    "booleans": pd.array([True, None] * 6, dtype="boolean"),
    "categories": pd.Categorical(["a", None] * 6),
    "missing": [None] * 12,
    "several types": [1, "a", 2.5, None] * 3,
    "nested": [[["a"]], [["b"]]] * 6,
}


@pytest.mark.parametrize(
    "column", ["plate", "well", "batch", "compound", "site", "dose", "cell_count", "area", "other"]
)
@pytest.mark.parametrize("kind", ODD_COLUMNS)
def test_a_column_of_any_type_is_read_or_refused_in_one_line(column: str, kind: str) -> None:
    table = layout(2, 6).assign(area=np.arange(12.0))
    table[column] = pd.Series(ODD_COLUMNS[kind], dtype=None if kind != "numbers beyond float64" else object)
    found = profiles_or_message(table, features=["area"])
    if isinstance(found, Profiles):
        assert found.features == ("area",)
        np.testing.assert_array_equal(found.X[:, 0], as_stored(in_plate_order(table)["area"]))
    read(written(table, "csv"), "csv")
    try:
        content = written(table, "parquet")
    except (pa.ArrowException, OverflowError, TypeError):
        return  # no such Parquet file can be made
    read(content, "parquet")


def test_text_of_bytes_is_that_text() -> None:
    table = layout(1, 6).assign(area=np.arange(6.0), compound=[b"DMSO", "Zellgift é".encode()] * 3)
    found = read(written(table, "parquet"), "parquet")
    assert isinstance(found, Profiles)
    assert set(found.wells["compound"]) == {"DMSO", "Zellgift é"}


def test_numbers_kept_as_objects_are_features() -> None:
    table = layout(1, 6).assign(area=pd.Series([1.5, 2, 3, 4, 5, 6], dtype=object))
    found = profiles_or_message(table)
    assert isinstance(found, Profiles)
    np.testing.assert_array_equal(found.X[:, 0], np.float32([1.5, 2, 3, 4, 5, 6]))


def test_an_index_that_repeats_a_column_is_refused() -> None:
    assert "'plate'" in str(profiles_or_message(layout(1, 6).assign(area=1.0).set_index("plate", drop=False)))


BROKEN = {
    "binary": bytes(range(256)),
    "utf-16": "plate,well\n".encode("utf-16"),
    "latin-1": "plate,well,area\nP\xe9,A01,1\n".encode("latin-1"),
    "unclosed quote": b'plate,well,compound,area\nP,A01,"DMSO,1\nP,A02,x,2\n',
    "a longer row": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,2,3,4\n",
    "comment first": b"# by me\nplate,well,compound,area\nP,A01,DMSO,1\n",
    "column twice": b"plate,well,compound,area,area\nP,A01,DMSO,1,2\nP,A02,x,1,2\n",
    "only a header": b"plate,well,compound,area\n",
    "blank": b"\n\n\n",
    "byte order mark alone": b"\xef\xbb\xbf",
    "a header of 200,000 characters": b"plate,well,compound," + b"x" * 200_000 + b"\nP,A01,DMSO,1\nP,A02,x,2\n",
    "thousands": b'plate,well,compound,area\nP,A01,DMSO,"1,000"\nP,A02,x,2\nP,A03,x,3\n',
    "a text among numbers": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,2\nP,A03,x,1_000\n",
    "a hole": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,\n",
    "infinity": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,inf\n",
    "beyond float64": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,1e400\n",
    "400 digits": b"plate,well,compound,area\nP,A01,DMSO," + b"1" * 400 + b"\nP,A02,x,2\n",
    "the same row twice": b"plate,well,compound,area\nP,A01,DMSO,1\nP,A02,x,2\nP,A02,x,2\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_in_one_line(kind: str) -> None:
    refused = read(BROKEN[kind], "csv")
    assert isinstance(refused, str)
    assert "screen.csv" in refused


WHOLE = b'plate,well,compound,area\n"P\n1",A01,DMSO,1\n"P\n1",A02,"x, ""y""",2\n'


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"\n\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_marks_line_ends_and_quoted_newlines_change_no_value(prefix: bytes, end: bytes) -> None:
    found = read(prefix + WHOLE.replace(b"\n", end), "csv")
    assert isinstance(found, Profiles)
    assert found.wells["plate"].str.split().tolist() == [["P", "1"]] * 2
    assert found.wells["compound"].tolist() == ["DMSO", 'x, "y"']
    np.testing.assert_array_equal(found.X[:, 0], [1, 2])


@few(60)
@given(st.data())
def test_a_parquet_file_with_a_flipped_or_missing_byte_ends_in_one_line_at_most(data: st.DataObject) -> None:
    content = bytearray(written(layout(2, 6).assign(area=np.arange(12.0)), "parquet"))
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        read(bytes(content), "parquet")
    else:
        assert isinstance(read(bytes(content[:at]), "parquet"), str)


@pytest.mark.parametrize(
    "query",
    ["compound == " + "1+" * 3000 + "1", "(" * 300, "compound == '\0'", "compound.str.match('(')", "a" * 10_000,
     "__import__('os').system('true')", "compound.__class__", "@plate", "10**10**10 > 1"],
)  # fmt: skip
def test_a_hostile_query_is_refused_in_one_line(query: str) -> None:
    with pytest.raises(InputError):
        profiles_from_frame(layout(1, 6).assign(area=1.0), controls={"query": query})
