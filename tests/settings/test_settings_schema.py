"""The schema itself: read from sources without importing them, and the same as what the constructors say."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class, get_method

from harness.settings.check import find_problems, kind_at, restore_text
from harness.settings.commands import command_fields
from harness.settings.composite_kinds import AnyOf, Fields, ListOf
from harness.settings.describe import describe
from harness.settings.kinds import MISSING, Integer, Kind, Text
from harness.settings.limits import Address, FilePath, Keys, OneOf
from harness.settings.members import CONF, Groups, read
from harness.settings.problem import format_value, nearest_name
from harness.settings.signature import fields_of, fields_of_callable
from harness.settings.third_party import THIRD_PARTY

GROUPS = [group for group in Groups().groups() if group not in ("experiment", "space")]
HEAVY = ("numpy", "pandas", "sklearn", "mlflow", "lightgbm", "optuna", "scipy", "matplotlib", "omegaconf", "hydra")


def targets() -> list[str]:
    """Every ``_target_`` of ``conf/``."""

    def of(node: Any) -> set[str]:
        inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
        own = {node["_target_"]} if isinstance(node, Mapping) and "_target_" in node else set()
        return own | {target for part in inner for target in of(part)}

    return sorted({target for path in CONF.glob("*/*.yaml") for target in of(read(path))})


@pytest.mark.parametrize("target", targets())
def test_the_schema_has_the_parameters_of_the_constructor(target: str) -> None:
    fields = fields_of(target)
    assert fields is not None
    try:
        call: Any = get_class(target)
    except Exception:
        call = get_method(target)
    imported = fields_of_callable(call)
    assert imported is not None
    names, real = set(fields.fields), set(imported.fields)
    assert (
        (names, fields.extra is None) == (real, imported.extra is None) if target not in THIRD_PARTY else names >= real
    )


@pytest.mark.parametrize("target", [target for target in targets() if target.startswith("harness.")])
def test_every_setting_of_a_member_says_what_it_may_be(target: str) -> None:
    fields = fields_of(target)
    assert fields is not None
    assert [name for name, field in fields.fields.items() if type(field.kind) is Kind] == []


def bounded(kind: Kind) -> bool:
    """Whether numbers of this kind have limits."""
    if isinstance(kind, AnyOf):
        return all(bounded(option) for option in kind.options)
    if isinstance(kind, ListOf):
        return bounded(kind.item)
    return not isinstance(kind, Integer) or bool(kind.limits)


@pytest.mark.parametrize(
    "target", [t for t in targets() if t.startswith("harness.") and not t.startswith("harness.data")]
)
def test_every_whole_number_of_a_member_has_limits(target: str) -> None:
    fields = fields_of(target)
    assert fields is not None
    free = [name for name, field in fields.fields.items() if not bounded(field.kind)]
    assert [name for name in free if name not in ("assays", "ranges")] == []


@pytest.mark.parametrize("target", [target for target in targets() if target.startswith("harness.")])
def test_defaults_fit_their_own_limits(target: str) -> None:
    fields = fields_of(target)
    assert fields is not None
    for name, field in fields.fields.items():
        if not field.required and not isinstance(field.default, str | tuple):
            assert list(field.kind.problems(name, field.default)) == []
        if isinstance(field.default, tuple):
            assert list(field.kind.problems(name, list(field.default))) == []


def test_parameters_of_lightgbm_and_their_aliases_are_those_of_the_library() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    names = {*aliases, *(alias for several in aliases.values() for alias in several)}
    signature = set(inspect.signature(lightgbm.LGBMClassifier.__init__).parameters)
    unknown = set(THIRD_PARTY["lightgbm.LGBMClassifier"].fields) - names - signature
    assert unknown == set()


def test_nothing_heavy_is_imported_and_a_refusal_is_fast() -> None:
    code = (
        "import sys, time\nfrom importlib.machinery import ModuleSpec\nfrom importlib.util import module_from_spec\n"
        "spec = ModuleSpec('harness', None, is_package=True); spec.submodule_search_locations = [sys.argv[1]]\n"
        "sys.modules['harness'] = module_from_spec(spec)\n"
        "start = time.process_time()\n"
        "from harness.settings import check, describe, commands\n"
        "from harness.settings.members import Groups\n"
        "next(check.find_problems({'seed': -1}, 'config', Groups()))\n"
        "assert time.process_time() - start < 1, time.process_time() - start\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    folder = str(Path(inspect.getfile(command_fields)).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_check_of_a_whole_configuration_takes_little_time() -> None:
    settings = {
        group: dict(read(CONF / f"{group}/{name}.yaml")) for group in GROUPS for name in Groups().members(group)[:1]
    }
    list(find_problems(settings, "config", Groups()))
    start = time.process_time()
    list(find_problems(settings, "config", Groups()))
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_of_a_group_is_described(group: str) -> None:
    rows = describe(group)
    assert {row.member for row in rows} == set(Groups().members(group))
    for row in rows:
        assert row.range
        assert row.setting == "" or row.setting.lstrip("+").startswith(group)


def test_what_the_user_must_give_has_no_default() -> None:
    rows = {row.setting: row for row in describe("batch")}
    assert rows["batch.pattern"].default == ""
    assert rows["batch.cutoff"] == ("inferred", "batch.cutoff", "5.0", "a number above 0")
    assert "+norm.n_folds" in {row.setting for row in describe("norm")}


@pytest.mark.parametrize(
    ("name", "names", "near"),
    [
        ("dmso_witin", ["dmso_across", "dmso_within"], "dmso_within"),
        ("DMSO-Within", ["dmso_across", "dmso_within"], "dmso_within"),
        ("sphere", ["sphering", "raw"], "sphering"),
        ("xyz", ["raw", "mean"], None),
        ("x" * 100_000, ["raw"], None),
        (5, ["raw"], None),
    ],
)
def test_the_nearest_name(name: object, names: list[str], near: str | None) -> None:
    assert nearest_name(name, names) == near


def test_values_are_shown_short_whatever_they_are() -> None:
    for value in (
        "x" * 10**6,
        list(range(10**5)),
        {str(i): i for i in range(10**4)},
        10**5000,
        float("nan"),
        None,
        True,
    ):
        assert len(format_value(value)) < 100


@pytest.mark.parametrize("value", ["a" * 300, "a/" + "b" * 256, "x" * 5000, " ", "", "a\nb", "\ud800"])
def test_names_that_no_file_can_have(value: str) -> None:
    assert not FilePath().holds(value)


@pytest.mark.parametrize("value", ["mlruns/units", "/abs/x", "ünits", "a b", "..", "a?b%20#c", "5"])
def test_names_that_files_can_have(value: str) -> None:
    assert FilePath().holds(value)


def test_addresses() -> None:
    good = [
        "sqlite:///a.db",
        "sqlite:////a.db",
        "http://h:5000",
        "https://u@h/x",
        "postgresql+psycopg://u@h/d",
        "databricks",
    ]
    bad = [
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "mlruns",
        "5",
        "http://",
        "://x",
    ]
    assert [value for value in good if not Address().holds(value)] == []
    assert [value for value in bad if Address().holds(value)] == []


def test_text_is_restored_only_from_what_it_was_read_from() -> None:
    assert restore_text(Text(), 202108, "2021_08") == "2021_08"
    assert restore_text(Text(), 202108, "2021_09") == 202108
    assert restore_text(Text((OneOf("a"),)), 5, "5") == 5
    assert restore_text(AnyOf((Text(), Integer())), 5, "5") == 5
    assert restore_text(AnyOf((Text(), Integer())), 7, "007") == "007"
    assert restore_text(ListOf(Text()), [7, "x"], ["007", None]) == ["007", "x"]
    assert restore_text(ListOf(Text()), [7], ["007", "8"]) == [7]


def test_the_kind_of_a_setting_is_found_by_its_path() -> None:
    settings = {"data": {"_target_": "harness.data.tables.Tables"}}
    fields = command_fields("config")
    assert isinstance(kind_at(fields, settings, ["data", "columns", "plate"]), AnyOf)
    assert type(kind_at(fields, settings, ["data", "nope", "x"])) is Kind


def test_limits_say_what_they_are() -> None:
    assert Fields().expected == "settings by name"
    assert Keys("a", "b").words == "with some of a, b"
    assert next(Integer().problems("n", MISSING)).text == " is not set; add n=VALUE"
