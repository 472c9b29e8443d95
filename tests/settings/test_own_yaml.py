"""A folder of the user's own: broken yamls are one line with file and line, members and spaces of it are used."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from refusals import configured, refusal

from harness.settings.yaml_file import MOST_BYTES

pytestmark = pytest.mark.slow

HEADER = "# @package _global_\n"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

BROKEN: dict[str, tuple[bytes, list[str]]] = {
    "syntax": (b"seed: [1\nunits: x\n", ["line 2", "is no yaml"]),
    "tab": (b"audit:\n\tverdict: 1\n", ["line 2", "tab", "indent with blanks"]),
    "a key twice": (b"seed: 1\nunits: x\nseed: 2\n", ["line 3", "'seed'", "line 1"]),
    "a key twice, deeper": (b"data:\n  size: tiny\n  size: small\n", ["line 3", "'size'"]),
    "not UTF-8": (b"seed: 1\nunits: M\xfcller\n", ["line 2", "0xfc", "UTF-8"]),
    "UTF-16": ("seed: 1\n".encode("utf-16"), ["line 1", "UTF-8"]),
    "empty": (b"", ["is empty"]),
    "comments alone": (b"# nothing\n", ["is empty"]),
    "a list": (b"- seed\n- 1\n", ["line 1", "is a list"]),
    "a word": (b"seed\n", ["line 1", "single value"]),
    "anchors that multiply": (LAUGHS.encode(), ["1,234,567,9", "anchors", "at most 10,000"]),
    "an anchor in itself": (b"seed: &a [*a]\n", ["line 1", "contains itself"]),
    "an anchor that there is not": (b"seed: *nope\n", ["line 1", "undefined alias"]),
    "nested without end": (b"seed: " + b"[" * 5000, ["line 1"]),
    "nested deeply": (b"seed: " + b"[" * 100 + b"]" * 100, ["nested too deeply"]),
    "huge": (b"# " + b"x" * MOST_BYTES, [f"{MOST_BYTES:,} bytes"]),
    "an object": (b"seed: !!python/object/apply:os.getcwd []\n", ["line 1", "os.getcwd", "no place"]),
    "a tag": (b"seed: !mine 5\n", ["line 1", "!mine"]),
    "two documents": (b"seed: 1\n---\nseed: 2\n", ["line 2", "another document"]),
    "a key that is a list": (b"? [a, b]\n: 1\n", ["line 1", "key"]),
    "a key that is nothing": (b"seed: 1\nnull: 2\n", ["line 2", "'null'", "quotes"]),
    "a key that yaml takes for true": (b"data:\n  metadata: [{path: x, on: [Plate]}]\n", ["line 2", "'on'", "quotes"]),
    "control characters": (b"seed: 1\x07\n", ["is no yaml"]),
    "defaults that are a number": (b"defaults: 5\n", ["line 1", "defaults"]),
    "a member that is a number": (b"defaults:\n  - override /split: 5\n", ["line 2", "defaults"]),
}

WRONG = {
    "an unknown key": ("n_resample: 5\n", ["n_resample:", "did you mean n_resamples?", "line 2"]),
    "an unknown key of a member": (
        "audit: {verdict: {contrst: 0.2}}\n",
        ["audit.verdict.contrst", "contrast?", "line 2"],
    ),
    "an unknown member": ("seed: 1\naudit:\n  veridct: {contrast: 0.2}\n", ["audit.veridct", "verdict?", "line 4"]),
    "a number as a key": ("1: 2\n", ["1: there is no such setting", "line 2"]),
    "a wrong value": ("seed: 1\nforce: maybe\n", ["force='maybe'", "true or false", "line 3"]),
    "a wrong value of a member": ("data: {size: huge}\n", ["data.size='huge'", "tiny", "line 2"]),
    "no value": ("force:\n", ["force=null", "true or false", "line 2"]),
    "an infinite number": ("audit: {verdict: {contrast: .inf}}\n", ["audit.verdict.contrast=inf", "line 2"]),
    "not a number": ("audit: {verdict: {contrast: .nan}}\n", ["audit.verdict.contrast=nan", "line 2"]),
    "a date": ("seed: 2024-01-01\n", ["seed='2024-01-01'", "line 2"]),
    "a group that is null": ("split: null\n", ["split=null", "expected a member"]),
    "a group that is a list": ("metric: [auroc]\n", ["experiment/wrong:", "override /GROUP: [NAME,...]"]),
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    for group in ("experiment", "norm", "space", "metric"):
        (tmp_path / group).mkdir()
    return tmp_path


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_yaml_is_one_line_with_file_and_line(case: str, mine: Path) -> None:
    content, fragments = BROKEN[case]
    (mine / "experiment/broken.yaml").write_bytes(content)
    line = refusal("+norm=raw", "+experiment=broken", folder=mine)
    assert line is not None
    assert "\n" not in line
    assert [part for part in (str(mine / "experiment/broken.yaml"), *fragments) if part not in line] == []


@pytest.mark.parametrize("case", WRONG)
def test_a_setting_that_is_wrong_in_a_yaml_is_named_with_file_and_line(case: str, mine: Path) -> None:
    content, fragments = WRONG[case]
    (mine / "experiment/wrong.yaml").write_text(HEADER + content)
    line = refusal("+norm=raw", "+experiment=wrong", "figure=[]", folder=mine)
    assert line is not None
    assert [part for part in fragments if part not in line] == []
    assert "line" not in " ".join(fragments) or "wrong.yaml" in line


def test_the_line_of_a_file_is_not_named_for_what_the_command_line_says(mine: Path) -> None:
    (mine / "experiment/fine.yaml").write_text(f"{HEADER}seed: 1\n")
    line = refusal("+norm=raw", "+experiment=fine", "seed=abc", folder=mine)
    assert line == "seed='abc': expected a whole number from 0 to 4,294,967,295"


def test_yaml_says_no_and_means_false(mine: Path) -> None:
    (mine / "experiment/no.yaml").write_text(f"{HEADER}resume: no\n")
    assert configured("+norm=raw", "+experiment=no", folder=mine).resume is False


def test_a_broken_yaml_that_is_not_asked_for_does_no_harm(mine: Path) -> None:
    (mine / "experiment/broken.yaml").write_text("seed: [1\n")
    assert refusal("+norm=raw", folder=mine) is None


def test_anchors_that_stand_for_little_are_accepted(mine: Path) -> None:
    (mine / "experiment/fine.yaml").write_text(
        f"{HEADER}data: &d {{size: tiny}}\naudit: {{ilisi: {{perplexity: 20}}}}\n"
    )
    assert configured("+norm=raw", "+experiment=fine", folder=mine).data.size == "tiny"


def test_numbers_of_a_yaml_that_are_text_are_taken_as_written(mine: Path) -> None:
    (mine / "experiment/ids.yaml").write_text(f"{HEADER}data: {{exclude_plates: [2021_08, 24277, '5']}}\nunits: 010\n")
    cfg = configured("+norm=raw", "+experiment=ids", folder=mine)
    assert list(cfg.data.exclude_plates) == ["2021_08", 24277, "5"]
    assert cfg.units == "010"


def test_members_of_the_folder_stand_in_chains(mine: Path) -> None:
    (mine / "norm/own.yaml").write_text("_target_: harness.norm.noise.Noise\nseed: 7\n")
    steps = configured("+norm=[dmso_within,own]", folder=mine).norm.steps
    assert [step._target_.rpartition(".")[2] for step in steps] == ["DmsoWithin", "Noise"]
    assert steps[1].seed == 7


def test_a_typo_of_a_member_of_the_folder_is_answered_with_its_name(mine: Path) -> None:
    (mine / "norm/mine_within.yaml").write_text("_target_: harness.norm.raw.Raw\n")
    for words in ("+norm=mine_witin", "+norm=[raw,mine_witin]"):
        line = refusal(words, folder=mine)
        assert line is not None
        assert line.startswith("norm: there is no 'mine_witin'; did you mean mine_within?")


def test_a_space_of_the_folder_takes_the_place_of_ours(mine: Path) -> None:
    (mine / "space/logistic.yaml").write_text("classifier__C: {type: float, low: 1e-3, high: 0.1, log: true}\n")
    spaces = configured("+norm=raw", "tuning=optuna", "model=[logistic]", folder=mine).tuning.spaces
    assert OmegaConf.to_container(spaces.logistic) == {
        "classifier__C": {"type": "float", "low": 0.001, "high": 0.1, "log": True}
    }


def test_a_broken_space_of_the_folder_is_one_line(mine: Path) -> None:
    (mine / "space/logistic.yaml").write_text("classifier__C: [1\n")
    line = refusal("+norm=raw", "tuning=optuna", folder=mine)
    assert line is not None
    assert "space/logistic.yaml, line 2" in line


def test_a_class_of_the_users_own_is_checked_by_its_constructor(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "my_metric.py").write_text(
        "raise RuntimeError('imported')\n"
        "class Mine:\n    def __init__(self, *, n_bins: int = 5, exact: bool = True): ...\n"
    )
    (mine / "metric/mine.yaml").write_text("mine:\n  _target_: my_metric.Mine\n  n_bins: 3\n  exact: true\n")
    monkeypatch.syspath_prepend(str(mine))
    assert refusal("+norm=raw", "metric=[mine]", folder=mine) is None
    wrong = refusal("+norm=raw", "metric=[mine]", "metric.mine.exact=no", folder=mine)
    assert wrong == "metric.mine.exact='no': expected true or false"
    unknown = refusal("+norm=raw", "metric=[mine]", "+metric.mine.n_bin=5", folder=mine)
    assert unknown is not None
    assert "did you mean metric.mine.n_bins?" in unknown
