"""Fixed seeds of the calibration: each verdict must obey the rules of its cell (experiments/verdict_calibration)."""

from __future__ import annotations

import json

import pytest

from experiments.verdict_calibration.audit import audit, decide_again
from experiments.verdict_calibration.cells import Rule, cells
from experiments.verdict_calibration.methods import method
from experiments.verdict_calibration.report import frequencies
from experiments.verdict_calibration.run import tasks

pytestmark = pytest.mark.slow

BY_NAME = {cell.name: cell for cell in cells()}
SEEDS = [
    ("null: random layout: dmso_within", 0),
    ("raw: 2 x 2: raw", 2),
    ("raw: 3 x 3: raw", 3),
    ("kept: 3 x 3: dmso_within", 5),
    ("destroyed: 5 x 4: one_batch_shuffled", 8),
    ("cheats: nothing there: by_compound", 9),
    ("textbook: 2 batches, 4 controls: dmso_within_textbook", 10),
    ("two batches: simulated: dmso_within", 11),
    ("two batches: simulated: raw", 12),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_the_verdict_obeys_the_rules_of_its_cell(name: str, seed: int) -> None:
    cell = BY_NAME[name]
    assert cell.rules
    row = audit(cell, seed)
    broken = [str(rule) for rule in cell.rules if not rule.holds({row["verdict"]: 1.0})]
    assert not broken, f"{name}, seed {seed}: {row['verdict']}; {broken}; {row['answers']}"


def test_names_of_cells_are_unique_and_every_cell_has_twenty_seeds() -> None:
    made = cells()
    assert len({cell.name for cell in made}) == len(made)
    assert min(cell.n_seeds for cell in made) >= 20


@pytest.mark.parametrize(
    ("rule", "share", "holds"),
    [
        (Rule("sound", at_most=0.0), 0.0, True),
        (Rule("sound", at_most=0.0), 0.02, False),
        (Rule("leaks", at_least=0.9), 0.9, True),
        (Rule("leaks", at_least=0.9), 0.85, False),
    ],
)
def test_a_rule_limits_the_share_of_its_word(rule: Rule, share: float, holds: bool) -> None:
    assert rule.holds({rule.word: share}) is holds
    assert rule.holds({}) is (rule.at_least == 0)


def test_every_cell_names_a_method_that_exists_and_a_screen_that_can_be_made() -> None:
    for name in {cell.method for cell in cells()}:
        assert method(name).stages()
    for make in {cell.make for cell in cells()}:
        assert len(make.profiles(0)) == make.n_batches * make.plates_per_batch


def test_a_verdict_is_decided_again_from_the_findings_of_a_finished_audit() -> None:
    row = audit(BY_NAME["raw: 2 x 2: raw"], 0)
    again = decide_again(json.loads(json.dumps(row)))
    assert again["verdict"] == row["verdict"]
    assert again["answers"] == row["answers"]


def test_the_table_says_which_rules_are_missed() -> None:
    cell = BY_NAME["raw: 5 x 4: raw"]
    words = ["under-normalizes"] * 9 + ["inconclusive"]
    rows = [{"cell": cell.name, "verdict": w, "answers": [], "seconds": 1.0} for w in words]
    (line,) = frequencies([cell], rows).to_dict("records")
    assert line["under-normalizes"] == 0.9
    assert line["seeds"] == 10
    assert line["holds"] == "no"
    (line,) = frequencies([cell], rows[:9]).to_dict("records")
    assert line["holds"] == "yes"


def test_finished_audits_are_not_made_again_and_seeds_go_round_over_cells() -> None:
    pair = [BY_NAME["raw: 2 x 2: raw"], BY_NAME["raw: 2 x 3: raw"]]
    missing = tasks(pair, first=100, n_seeds=2, done={(pair[0].name, 100)})
    assert [(cell.name, seed) for cell, seed in missing] == [
        (pair[1].name, 100), (pair[0].name, 101), (pair[1].name, 101),
    ]  # fmt: skip
