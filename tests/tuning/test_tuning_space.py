"""Search spaces: what they set, that the model as configured lies in them, and what is refused."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from harness.core.exceptions import InputError
from harness.model.encode import Encoded
from harness.model.pipeline import pipeline
from harness.tuning.engine.space import difference, space_of

C = {"type": "float", "low": 1e-4, "high": 10.0, "log": True}
PENALTY = {
    "choices": {
        "l2": {"classifier__solver": "lbfgs", "classifier__l1_ratio": 0.0},
        "l1": {"classifier__solver": "liblinear", "classifier__l1_ratio": 1.0},
    }
}


def _model(**changes: Any) -> Any:
    settings = {"C": 0.02, "class_weight": "balanced", "l1_ratio": 0.0} | changes
    return pipeline(scale=StandardScaler(), classifier=LogisticRegression(**settings))


def test_the_default_is_the_model_as_it_is_and_choices_set_parameters_alone_or_together() -> None:
    entries = {"classifier__C": C, "classifier__class_weight": {"choices": ["balanced", None]}, "penalty": PENALTY}
    model = _model()
    space = space_of("logistic", entries, model)
    assert space.default == {"classifier__C": 0.02, "classifier__class_weight": "balanced", "penalty": "l2"}
    assert str(space.candidate(space.default)) == str(model)
    chosen = space.candidate({"classifier__C": 3.0, "classifier__class_weight": None, "penalty": "l1"})
    found = chosen.get_params()
    assert [found[f"classifier__{k}"] for k in ("C", "class_weight", "solver", "l1_ratio")] == [3, None, "liblinear", 1]
    assert model.get_params()["classifier__C"] == 0.02


def test_a_model_with_batches_as_features_takes_the_same_space() -> None:
    space = space_of("logistic", {"classifier__C": C}, Encoded(model=_model(), by="batch"))
    assert space.default == {"classifier__C": 0.02}
    assert space.candidate({"classifier__C": 0.5}).model[-1].C == 0.5


def test_every_draw_lies_inside() -> None:
    space = space_of(
        "logistic", {"classifier__C": C, "classifier__max_iter": {"type": "int", "low": 50, "high": 500}}, _model()
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [study.ask(space.distributions).params for _ in range(30)]
    assert all(1e-4 <= d["classifier__C"] <= 10 for d in drawn)
    assert sum(d["classifier__C"] < 0.03 for d in drawn) > 8  # as many decades below as above
    assert all(isinstance(d["classifier__max_iter"], int) for d in drawn)


def test_what_is_set_to_null_is_left_out() -> None:
    assert set(space_of("logistic", {"classifier__C": C, "penalty": None}, _model()).distributions) == {"classifier__C"}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"classifier__c": C}, "logistic.classifier__c: the model has no parameter 'classifier__c'; it has .*__C,"),
        ({"classifier__C": 3}, "logistic.classifier__C=3: expected {type: float"),
        ({"classifier__C": {"type": "real", "low": 1, "high": 2}}, "expected {type: float or int"),
        ({"classifier__C": {"type": "float", "low": 2, "high": 1}}, "with low below high"),
        ({"classifier__C": {"type": "float", "low": "a", "high": 1}}, "with low below high"),
        ({"classifier__C": {"type": "float", "low": 0, "high": 1, "log": True}}, "log"),
        ({"classifier__C": {"type": "float", "low": 1e-3}}, "expected {type"),
        ({"classifier__C": {**C, "steps": 3}}, "expected {type"),
        ({"classifier__max_iter": {"type": "int", "low": 1.5, "high": 200}}, "with low below high"),
        ({"classifier__class_weight": {"choices": ["balanced"]}}, "at least two choices"),
        ({"classifier__class_weight": {"choices": "balanced"}}, "expected"),
        ({"classifier__class_weight": {"choices": [None, {"a": 1}]}}, "expected"),
        ({"classifier__class_weight": {"choices": [None, "other"]}}, "own setting 'balanced' lies outside"),
        ({"classifier__C": {"type": "float", "low": 1.0, "high": 2.0}}, "own setting 0.02 lies outside"),
        ({"penalty": {"choices": {"l1": {"classifier__sover": "saga"}}}}, "no parameter 'classifier__sover'"),
        ({"penalty": {"choices": {"l1": 3}}}, "choices.l1=3: expected {PARAMETER"),
        ({"penalty": {"choices": {"a": {"classifier__C": 1}, "b": {"classifier__tol": 1}}}}, "the same parameters"),
        (
            {"penalty": {"choices": {"a": {"classifier__C": 1}, "b": {"classifier__C": 2}}}},
            r"own setting .*0.02.* is none of \['a', 'b'\]",
        ),
    ],
)
def test_what_cannot_be_a_space_is_refused(entries: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        space_of("logistic", entries, _model())
    assert "\n" not in str(refused.value)


def test_differences_between_spaces_are_named() -> None:
    before = space_of("m", {"classifier__C": C, "penalty": PENALTY}, _model()).stored
    now = space_of("m", {"classifier__C": {**C, "high": 1.0}, "penalty": PENALTY}, _model()).stored
    assert difference(before, before) == ""
    assert difference(before, now) == "classifier__C was 0.0001 to 10.0 (log) and is 0.0001 to 1.0 (log)"
    assert difference({}, now).startswith("classifier__C was absent")
    other = {"choices": {**PENALTY["choices"], "l1": {"classifier__solver": "saga", "classifier__l1_ratio": 1.0}}}
    third = space_of("m", {"classifier__C": C, "penalty": other}, _model()).stored
    assert difference(before, third).startswith("penalty was {'l2'")
