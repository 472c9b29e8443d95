"""Sweeps over nothing make nothing, and say so; numbers that are text reach the jobs as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import SMALL, run_command

from harness.cli.check_overrides import check_overrides
from harness.cli.literal_overrides import quote_values
from harness.core.exceptions import InputError

EMPTY = {
    "+norm=glob(zzz*)": "matches no member of norm",
    "audit=glob(verdct*)": "did you mean verdict?",
    "seed=range(1,1)": "the range is empty",
    "seed=range(5,1)": "the range is empty",
    "seed=range(0,1e9)": "over 100,000 jobs",
    "seed=interval(0,1)": "an interval has no steps",
    "+norm=raw,5": "5 is the name of no member",
    "+norm=raw,null": "null is the name of no member",
    "+norm=raw,dmso_witin": "did you mean dmso_within?",
    "data=demo,table": "did you mean tables?",
}


@pytest.mark.parametrize("word", EMPTY)
def test_a_sweep_over_nothing_is_refused(word: str) -> None:
    with pytest.raises(InputError, match=EMPTY[word].replace("?", r"\?")):
        check_overrides(["-m", "+norm=raw", word])


@pytest.mark.parametrize(
    "word", ["+norm=glob(*)", "+norm=glob([dmso*,raw])", "seed=range(0,3)", "+norm=raw,noise", "seed=choice(1,2)"]
)
def test_a_sweep_over_something_is_accepted(word: str) -> None:
    check_overrides(["-m", word])


def test_nothing_is_made_where_nothing_is_swept_over(tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "-m", "+norm=glob(zzz*)", *SMALL)
    assert outcome.status == 2
    assert "+norm=glob(zzz*): matches no member of norm" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_sweeps_over_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine/experiment").mkdir(parents=True)
    sweep = "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {+norm: glob(zzz*)}}}\n"
    (tmp_path / "mine/experiment/none.yaml").write_text(sweep)
    outcome = run_command(tmp_path, "--config-dir", "mine", "+experiment=none", *SMALL)
    assert outcome.status == 2
    assert "+norm=glob(zzz*): matches no member of norm" in outcome.err


def test_a_sweep_hands_plates_on_as_they_were_written(folder: Path) -> None:
    outcome = run_command(folder, "-m", "+norm=raw,noise", "data.exclude_plates=[2021_08]", *SMALL)
    assert outcome.status == 2
    assert "names ['2021_08']" in outcome.err


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("a=[2021_08,x]", "a=['2021_08',x]"),
        ("a=5", "a='5'"),
        ("a=1e3,true", "a='1e3','true'"),
        ("a={b:5,c:[6]}", "a={b:'5',c:['6']}"),
        ("a='5'", "a='5'"),
        ("a=5 6", "a=5 6"),
        ("a=x5", "a=x5"),
        ("a=null", "a=null"),
        ("a=range(1,3)", "a=range(1,3)"),
        ("a=", "a="),
    ],
)
def test_quotes_around_numbers(word: str, text: str) -> None:
    assert quote_values(word) == text


HUGE = {
    "units=" + "x" * 10_000: "10,006 characters",
    "data.exclude_plates=[" + ",".join(["a"] * 20_000) + "]": "characters; expected at most 10,000",
    "seed=" + "9" * 5000: "seed: got a number of over 400 digits",
    "seed=-" + "9" * 400: "seed: got a number of over 400 digits",
    "seed=" + "[" * 300 + "]" * 300: "seed: nested too deeply",
    "+bogus=" + "{a:" * 100 + "1" + "}" * 100: "bogus: nested too deeply",
    "+" + "a." * 500 + "b=1": "no setting with a name of",
    "+norm." + "x" * 5000 + "=1": "no setting with a name of",
}


@pytest.mark.parametrize("word", HUGE, ids=[word[:12] for word in HUGE])
def test_words_that_would_take_minutes_are_refused_unread(word: str) -> None:
    with pytest.raises(InputError, match=HUGE[word]) as refused:
        check_overrides(["+norm=raw", word])
    assert len(str(refused.value)) < 200
