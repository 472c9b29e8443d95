"""Settings that change no number: one list for the keys of runs, their parameters, and comparisons."""

from __future__ import annotations

from harness.settings.commands import command_fields
from harness.settings.number_neutral import NUMBER_NEUTRAL, changes_numbers
from harness.settings.signature import fields_of


def test_every_name_is_a_setting() -> None:
    tuner = fields_of("harness.tuning.optuna.Optuna")
    assert tuner is not None
    settings = {*command_fields("config").fields, "hydra", *(f"tuning.{name}" for name in tuner.fields)}
    assert set(NUMBER_NEUTRAL) <= settings


def test_settings_below_a_name_are_covered_and_others_are_not() -> None:
    assert not changes_numbers("tracking.uri")
    assert not changes_numbers("processes")
    assert not changes_numbers("tuning.workers")
    assert changes_numbers("tuning.n_trials")
    assert changes_numbers("unitss")
