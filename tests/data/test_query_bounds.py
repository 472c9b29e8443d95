"""Queries end at once: what would take for ever is refused, and patterns are matched in linear time."""

from __future__ import annotations

import re
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.exceptions import InputError
from harness.data.columns.safe_query import Query

COLUMNS = {
    "Compound": pd.Series(["DMSO", "c1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", None, "", "Ünïcödé"]),
    "kind": pd.Series(pd.Categorical(["x", "y", "x", None, "y", "x"])),
    "dose": pd.Series([0.0, 1.0, np.nan, 3.0, 4.0, 5.0]),
    "n": pd.Series([1, 2, 3, 4, 5, 6]),
    "mixed": pd.Series([1, "a", None, 2.5, "b", ""], dtype=object),
}

ENDLESS = [
    "'a'*9999999999 == Compound", "9999999999*'a' == Compound", "Compound == ('a'*99999)*99999*99999",
    "Compound*9999999999 == 'x'", "9999999999*Compound == 'x'", "Compound.str.lower()*9999999999 == 'x'",
    "(Compound + 'a')*9999999999 == 'x'", "-('a'*9999999999) == Compound", "kind*9999999999 == 'x'",
    "mixed*9999999999 == 'x'", "[1]*9999999999 == n", "(1, 2)*9999999999 == n", "Compound in ['a'*9999999999]",
    "Compound.isin(['a'*9999999999])", "Compound.str.contains('a'*9999999999)", "'x'*n == Compound",
    "b'a'*9999999999 == n",
    "9**9**9 == n", "n**9**9 == 1", "10**10**10 > 1", "n % 2 == 1", "n // 2 == 1", "1 << 99999999999 > n",
    "Compound == '" + "a" * 50_000 + "'", "Compound in [" + "'a'," * 10_000 + "]", "n == 1" + " or n == 1" * 5_000,
    "n == " + "9" * 10_000, "n == " + "9*" * 9_000 + "9", "(" * 5_000 + "n" + ")" * 5_000, "not " * 4_000 + "n",
    "Compound" + ".str.lower()" * 1_500 + " == 'a'", "n == " + "1+" * 9_000 + "1",
    "Compound / 2 == 'x'", "Compound - 'a' == ''",
]  # fmt: skip


@pytest.mark.parametrize("query", ENDLESS, ids=[query[:40] for query in ENDLESS])
def test_what_would_take_for_ever_is_refused_at_once(query: str) -> None:
    start = time.process_time()
    with pytest.raises(InputError) as refused:
        Query.parse(query, option="data.controls").mask(COLUMNS, option="data.controls")
    assert time.process_time() - start < 2
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith("data.controls: ")
    assert len(message) < 1_500


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("n * 2 > 10", [5]),
        ("2 * n - 1 == 3 or n / 2 == 3", [1, 5]),
        ("dose * n > 3 and (dose + 1) * 2 < 12", [3, 4]),
        ("-dose * 2 == -2", [1]),
        ("Compound + kind == 'DMSOx'", [0]),
        ("(Compound == 'DMSO') & (n * 1 == 1)", [0]),
        ("(n == 2) * 1 > 0 or n == 3", [1, 2]),
        ("mixed == 'a' or mixed == 1", [0, 1]),
        ("mixed.isna()", [2, 5]),
        ("kind.isna() or kind == 'y'", [1, 3, 4]),
        ("`Compound`.str.upper() == 'C1' and `n` == 2", [1]),
        ("Compound == 'DMSO' and n in [1, 2] and kind not in ['y']", [0]),
        ("Compound.isna() and not Compound.notna() and dose.notna()", [3, 4]),
        ("Compound.str.strip().str.lower().str.contains('dm', regex=False)", [0]),
        ("Compound.isna() == kind.isna()", [0, 1, 2, 3, 5]),
        ("n.between(2, 3) and ~(Compound.isnull())", [1, 2]),
    ],
)
def test_ordinary_arithmetic_is_not_blamed(query: str, rows: list[int]) -> None:
    answer = Query.parse(query, option="q").mask(COLUMNS, option="q")
    assert np.flatnonzero(answer).tolist() == rows


CATASTROPHES = [
    "(a+)+$",
    "(a|aa)+$",
    "(a*)*b",
    "(.*a){20}$",
    "((a+)+)+$",
    "(a|a?)+$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    ".*.*.*.*.*.*.*.*=x",
]


@pytest.mark.parametrize("method", ["contains", "match", "fullmatch"])
@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_patterns_take_time_in_proportion_to_the_text(pattern: str, method: str) -> None:
    columns = {"Compound": pd.Series(["a" * 5_000 + "!"] * 20)}
    start = time.process_time()
    Query.parse(f"Compound.str.{method}('{pattern}')", option="q").mask(columns, option="q")
    assert time.process_time() - start < 2


TEXTS = st.text(st.sampled_from("aAbB1-_. é"), max_size=8)
PATTERNS = st.sampled_from(
    [
        "a",
        "^a",
        "b$",
        "a|b",
        "[ab]+",
        "[^a]",
        "a.b",
        "a*",
        "(a)(b)?",
        "(?i)ab",
        "1-",
        r"\.",
        "é",
        "",
        "a{2}",
        "^$",
        "(?:a|1)-",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=5),
    pattern=PATTERNS,
    method=st.sampled_from(["contains", "match", "fullmatch"]),
    case=st.booleans(),
)
def test_patterns_mean_what_they_mean_in_python(texts: list[str], pattern: str, method: str, case: bool) -> None:
    search = {"contains": re.search, "match": re.match, "fullmatch": re.fullmatch}[method]
    expected = [bool(search(pattern, text.strip(), 0 if case else re.IGNORECASE)) for text in texts]
    query = Query.parse(f"x.str.{method}({pattern!r}, case={case})", option="q")
    assert query.mask({"x": pd.Series(texts, dtype=object)}, option="q").tolist() == expected


@pytest.mark.parametrize(
    ("query", "culprits"),
    [
        ("Compound.str.contains('(')", ["'('", "cannot be read"]),
        ("Compound.str.contains('(?=a)b')", ["'(?=a)b'", "looking ahead"]),
        ("Compound.str.contains(r'(a)\\1')", ["references back"]),
        ("Compound.str.contains('a{99999}')", ["'a{99999}'"]),
        ("Compound.str.contains(Compound)", ["one text in quotes"]),
        ("Compound.str.contains('a', flags=2)", ["one text in quotes"]),
        ("Compound.str.contains()", ["one text in quotes"]),
        ("Compound.str.startswith(1)", ["one text in quotes"]),
        ("Compound.isna(1)", ["nothing in the brackets"]),
        ("'a'.isna()", ["no column"]),
        ("'a'.str.contains('a')", ["no column"]),
        ("Compound > 1", ["numbers with numbers"]),
        ("Compound + 1 == 2", ["numbers with numbers"]),
    ],
)
def test_what_a_test_cannot_do_is_said_in_one_line(query: str, culprits: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        Query.parse(query, option="data.controls").mask(COLUMNS, option="data.controls")
    message = str(refused.value)
    assert "\n" not in message
    assert all(culprit in message for culprit in culprits), message


def test_several_beginnings_and_accents_typed_in_two_ways() -> None:
    columns = {"x": pd.Series(["e\u0301a", "\u00e9b", "c", None])}
    for query, rows in (
        ("x.str.startswith(('\u00e9', 'c'))", [0, 1, 2]),
        ("x.str.startswith('e\u0301')", [0, 1]),
        ("x == '\u00e9a'", [0]),
        ("x.str.endswith('c', na=False)", [2]),
    ):
        assert np.flatnonzero(Query.parse(query, option="q").mask(columns, option="q")).tolist() == rows
