"""Every yaml in conf/ builds something, every member in harness/ has a yaml, and the whole configuration composes."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, get_method, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from places import ROOT

from harness.tuning.engine.space import space_of

CONF, HARNESS = ROOT / "conf", ROOT / "harness"
MEMBERS = sorted(CONF.glob("*/*.yaml"))
CHOICES = [path for path in MEMBERS if path.parent.name not in ("experiment", "space")]
NAMES = [f"{path.parent.name}/{path.stem}" for path in CHOICES]
GROUPS = sorted({path.parent.name for path in CHOICES})
NORMS = sorted(path.stem for path in (CONF / "norm").glob("*.yaml"))

DUMMIES: dict[str, Any] = {  # for what a user must give (???)
    "batch/ranges": {"ranges": {"b1": [1, 9], "b2": [[10, 19], [30, 39]]}},
    "batch/regex": {"pattern": "^(Week[0-9]+)_"},
    "data/anndata": {"path": "screen.h5ad"},
    "data/deepprofiler": {"path": "project"},
    "data/npz": {"path": "screen.npz"},
    "data/tables": {"paths": ["plates/*.csv"], "controls": {"column": "compound", "values": ["DMSO"]}},
    "split/batch_pair": {"train": ["b1"], "test": ["b2"]},
}


@pytest.fixture(scope="module", autouse=True)
def _hydra() -> Any:
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield


def loaded(path: Path) -> DictConfig:
    """The file with the settings that it refers to, and dummies where it asks for a value."""
    name = f"{path.parent.name}/{path.stem}"
    node = OmegaConf.merge(OmegaConf.load(path), DUMMIES.get(name, {}))
    whole = OmegaConf.merge(OmegaConf.load(CONF / "config.yaml"), {"member": node, "norm": None})
    assert isinstance(whole, DictConfig)
    del whole["defaults"], whole["hydra"]
    return whole.member  # type: ignore[no-any-return]


def parts(node: Any) -> list[DictConfig]:
    """Outermost nodes with a ``_target_``: one, or one per key in groups that take a list of members."""
    if not isinstance(node, DictConfig):
        return []
    if "_target_" in node:
        return [node]
    return [part for key in node for part in parts(node[key])]


def targets(node: Any) -> set[str]:
    """All ``_target_`` below a node."""
    if isinstance(node, ListConfig):
        return {t for part in node for t in targets(part)}
    if not isinstance(node, DictConfig):
        return set()
    own = {node["_target_"]} if "_target_" in node else set()
    inner = [node._get_node(key) for key in node]
    return own | {t for part in inner for t in targets(part)}


def accepted(target: str) -> set[str] | None:
    """Names of the parameters, or None where anything goes."""
    try:
        call: Any = get_class(target)
    except Exception:
        call = get_method(target)
    found = inspect.signature(call).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in found):
        return None
    return {p.name for p in found}


@pytest.mark.parametrize("path", CHOICES, ids=NAMES)
def test_every_file_builds_something_and_sets_only_parameters_that_exist(path: Path) -> None:
    node = loaded(path)
    found = parts(node)
    assert found, f"{path} has no _target_"
    for part in found:
        if path.parent.name == "tracking":
            part = OmegaConf.merge(part, {"experiment": "toy"})
        known = accepted(part["_target_"])
        assert known is None or set(part) - {"_target_"} <= known
        assert not OmegaConf.missing_keys(part)
        assert instantiate(part, _convert_="all") is not None


@pytest.mark.parametrize("path", [p for p in CHOICES if p.parent.name not in ("data", "batch", "tracking")])
def test_a_member_stores_what_it_is_given(path: Path) -> None:
    for part in parts(loaded(path)):
        if part["_target_"] == "harness.model.pipeline.pipeline":
            continue
        made = instantiate(part, _convert_="all")
        for key, value in OmegaConf.to_container(part, resolve=True).items():  # type: ignore[union-attr]
            if key != "_target_" and not targets(part._get_node(key)):
                assert getattr(made, str(key)) == value


@pytest.mark.parametrize("group", ["task", "model", "metric", "baseline", "audit", "figure"])
def test_members_that_can_be_listed_stand_under_a_key_of_their_own(group: str) -> None:
    keys = [str(key) for path in sorted((CONF / group).glob("*.yaml")) for key in OmegaConf.load(path)]
    assert keys
    assert len(set(keys)) == len(keys)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_the_whole_configuration_composes_for_every_norm(norm: str) -> None:
    cfg = compose("config", overrides=[f"+norm={norm}", "seed=5"])
    member = cfg.norm
    assert set(OmegaConf.to_container(member)) == set(OmegaConf.load(CONF / "norm" / f"{norm}.yaml"))  # type: ignore[arg-type]
    made = instantiate(member, _convert_="all")
    if "seed" in member:
        assert made.seed == 5


def test_the_norm_is_missing_until_it_is_chosen_and_every_default_exists() -> None:
    cfg = compose("config")
    assert OmegaConf.is_missing(cfg, "norm")
    with pytest.raises(Exception, match="nonsense"):
        compose("config", overrides=["+norm=nonsense"])


def hands() -> list[dict[str, str]]:
    """One member of every other group at a time, until each was chosen: group to member."""
    stems = {g: [name.split("/")[1] for name in NAMES if name.startswith(f"{g}/")] for g in GROUPS if g != "norm"}
    return [{g: own[i % len(own)] for g, own in stems.items()} for i in range(max(map(len, stems.values())))]


@pytest.mark.slow
@pytest.mark.parametrize("hand", hands(), ids=str)
def test_every_other_member_can_be_chosen_on_the_command_line(hand: dict[str, str]) -> None:
    cfg = compose("config", overrides=["+norm=raw", *(f"{group}={stem}" for group, stem in hand.items())])
    for group, stem in hand.items():
        written = OmegaConf.load(CONF / group / f"{stem}.yaml")
        beside_member = {"model": {"encode"}, "data": {"leak_guard"}}.get(group, set())
        assert set(cfg[group]) - beside_member == set(written)


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_experiments_sweep_over_norms_that_exist(path: Path) -> None:
    swept = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params.+norm")
    if swept is None:
        pytest.skip("changes settings, sweeps nothing")
    names = NORMS if swept == "glob(*)" else [name.strip() for name in str(swept).split(",")]
    assert len(names) > 1
    assert set(names) <= set(NORMS)


def member_modules(group: str) -> set[str]:
    """Modules of a group with a class derived from the group's base that no other module derives from in turn."""
    base = importlib.import_module(f"harness.{group}.base")
    stems = [path.stem for path in (HARNESS / group).glob("*.py") if path.stem not in ("base", "__init__")]
    classes = [
        member
        for stem in stems
        for _, member in inspect.getmembers(importlib.import_module(f"harness.{group}.{stem}"), inspect.isclass)
        if member.__module__ == f"harness.{group}.{stem}" and not member.__name__.startswith("_")
    ]
    ancestors = {parent for c in classes for parent in inspect.getmro(c)[1:] if parent.__module__ != c.__module__}
    roots = {root for root in ancestors if root.__module__ == base.__name__}
    members = [c for c in classes if roots & set(inspect.getmro(c)) and c not in ancestors]
    return {c.__module__.rpartition(".")[2] for c in members}


def configured_modules(group: str) -> set[str]:
    """Modules of a group that some yaml builds a member from."""
    prefix = f"harness.{group}."
    built = {t for path in CONF.glob(f"{group}/*.yaml") for t in targets(loaded(path))}
    return {t.removeprefix(prefix).split(".")[0] for t in built if t.startswith(prefix)}


@pytest.mark.parametrize("group", ["norm", "split", "metric", "audit", "baseline"])
def test_every_member_has_a_yaml(group: str) -> None:
    assert len(member_modules(group)) >= 3
    assert member_modules(group) <= configured_modules(group)


@pytest.mark.parametrize("group", ["data", "batch", "task", "tuning", "figure"])
def test_every_yaml_of_a_group_without_a_base_class_names_its_own_module(group: str) -> None:
    stems = {path.stem for path in (CONF / group).glob("*.yaml")}
    assert configured_modules(group) == stems
    assert all((HARNESS / group / f"{stem}.py").is_file() for stem in stems)


@pytest.mark.parametrize("group", GROUPS)
def test_what_a_yaml_builds_lies_in_the_package_of_its_group(group: str) -> None:
    """One word per concept; models and tracking are built from other packages too."""
    if group in ("model", "tracking"):
        pytest.skip("built from scikit-learn, LightGBM, or one module of the top level")
    outermost = {part["_target_"] for path in CONF.glob(f"{group}/*.yaml") for part in parts(loaded(path))}
    assert all(target.startswith(f"harness.{group}.") for target in outermost)


ASKED_FOR = {"retrieval"}  # a check for users, of a category that they name; no question of the scorecard reads it


def test_every_check_is_on_by_default() -> None:
    names = {name for path in (CONF / "audit").glob("*.yaml") for name in OmegaConf.load(path)}
    assert set(compose("config", overrides=["+norm=raw"]).audit) == names - ASKED_FOR


@pytest.mark.parametrize("path", sorted((CONF / "space").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_search_space_fits_the_model_of_its_name(path: Path) -> None:
    model = instantiate(loaded(CONF / "model" / path.name)[path.stem], _convert_="all")
    space = space_of(path.stem, OmegaConf.to_container(OmegaConf.load(path)), model)  # type: ignore[arg-type]
    assert len(space.distributions) >= 3
    assert str(space.candidate(space.default)) == str(model)
