"""Options and overrides in any order."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from command import run_command
from hydra._internal.utils import get_args_parser

from harness.cli.argument_order import parse_arguments
from harness.core.exceptions import InputError


@pytest.mark.parametrize(
    ("words", "options", "overrides"),
    [
        (["a=1", "-m", "+norm=x,y"], ["-m"], ["a=1", "+norm=x,y"]),
        (["a=1", "--cfg", "job", "b=2"], ["--cfg", "job"], ["a=1", "b=2"]),
        (["a=1", "--cfg=job", "b=2", "-p", "norm"], ["--cfg=job", "-p", "norm"], ["a=1", "b=2"]),
        (["--info", "a=1"], ["--info"], ["a=1"]),
        (["--info", "defaults", "a=1"], ["--info", "defaults"], ["a=1"]),
        (["a=1", "-cd", "MINE", "~b"], ["-cd", "MINE"], ["a=1", "~b"]),
        (["a=1", "--multi", "b=2"], ["--multi"], ["a=1", "b=2"]),
        (["-m", "--", "-x=1", "-m"], ["-m"], ["-x=1", "-m"]),
        (["x=-1", "y=a -m b"], [], ["x=-1", "y=a -m b"]),
        ([], [], []),
    ],
)
def test_options_come_first(words: list[str], options: list[str], overrides: list[str]) -> None:
    given = parse_arguments(words)
    assert (given.options, given.overrides) == (options, overrides)


def test_every_order_is_the_same_to_hydra() -> None:
    expected = get_args_parser().parse_args(["-m", "-cd", "MINE", "a=1", "b=2"])
    for words in itertools.permutations([("-m",), ("-cd", "MINE"), ("a=1",), ("b=2",)]):
        given = parse_arguments([word for pair in words for word in pair])
        parsed = get_args_parser().parse_args([*given.options, *given.overrides])
        assert sorted(parsed.overrides) == sorted(expected.overrides)
        assert {**vars(parsed), "overrides": []} == {**vars(expected), "overrides": []}
        assert given.values == {"multirun": None, "config_dir": "MINE"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--bogus"], "there is no option --bogus; --hydra-help lists them, settings are written key=value"),
        (["-x", "a=1"], "there is no option -x"),
        (["a=1", "--config-dir"], "--config-dir needs a value after it"),
        (["--cfg"], "--cfg needs one of job, hydra, all after it"),
        (["--cfg", "nope"], "--cfg nope: expected one of job, hydra, all"),
        (["--config"], "--config can mean --config-dir, --config-name, --config-path; write it in full"),
    ],
)
def test_what_there_is_not_is_one_line(words: list[str], line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^" + line.split(";")[0]):
        parse_arguments(words)
    outcome = run_command(tmp_path, *words)
    assert outcome.status == 2
    assert outcome.line.startswith(f"harness: {line}")


def test_a_sweep_with_its_option_behind_an_override(tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "data.scenario=typo", "-m", "+norm=raw,mean", "data.size=tiny")
    assert outcome.status == 2
    assert outcome.line == (
        "harness: data.scenario='typo': expected one of "
        "balanced, null, phenotype_rich, confounded, fixed_layout, no_batch_effect, or null"
    ), "said once, not once for each normalization"
