"""Old names of modules and classes: importable with one warning, in Python and in configurations."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from command import SMALL, run_command
from places import ROOT

from harness.core.moved_modules import MOVED_MODULES, MOVED_TARGETS, RENAMED, MovedWarning
from harness.settings.source import locate

pytestmark = pytest.mark.slow

OLD_MEMBER = """
from harness.labels.base import TakesLabels
from harness.norm.base import Normalizer
from harness.norm.moments import moments
from harness.norm.scaling import standardize
from harness.seeding import derive
from harness.types import Floats, FitScope, InputError, Mask, NotApplicable, Plate, Profiles, Split


class Centred(Normalizer):
    scope = FitScope.PLATE

    def transform(self, plate: Plate) -> Floats:
        return plate.X - moments(plate.X).mean.astype("float32")
"""


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def fresh(name: str) -> object:
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_old_modules_are_gone_and_new_ones_exist() -> None:
    assert [old for old in MOVED_MODULES if is_module(f"harness.{old}")] == []
    assert [new for places in MOVED_MODULES.values() for new in places.split() if not is_module(f"harness.{new}")] == []


def test_renamed_symbols_and_targets_exist() -> None:
    for (module, _), name in RENAMED.items():
        assert any(locate(f"harness.{new}.{name}") for new in MOVED_MODULES[module].split()), name
    assert [target for target in MOVED_TARGETS.values() if locate(target) is None] == []


def test_a_name_of_an_old_module_is_that_of_the_new_one_with_a_warning() -> None:
    with pytest.warns(MovedWarning, match=r"^harness.weights is now harness.metric.shared.weights; the old name goes"):
        old = fresh("harness.weights")
    from harness.metric.shared.weights import BootstrapWeights

    assert old.Weights is BootstrapWeights  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"is now harness.metric.shared.weights, which has no 'nothing'"):
        _ = old.nothing  # type: ignore[attr-defined]


def test_a_member_written_for_version_0_1_is_evaluated_with_one_warning_a_module(tmp_path: Path) -> None:
    (tmp_path / "old_member.py").write_text(OLD_MEMBER)
    (tmp_path / "mine/norm").mkdir(parents=True)
    (tmp_path / "mine/norm/centred.yaml").write_text("_target_: old_member.Centred\n")
    words = ["--config-dir", "mine", "+norm=centred", *SMALL]
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for name in ("labels", "labels.base", "norm.moments", "norm.scaling", "seeding", "types"):
        assert ended.stderr.count(f"harness: warning: harness.{name} is now ") == 1, ended.stderr


def test_an_old_target_in_a_yaml_is_the_new_one_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "mine/tracking").mkdir(parents=True)
    (tmp_path / "mine/tracking/old.yaml").write_text("_target_: harness.track.Tracking\nuri: 5\nexperiment: mine\n")
    outcome = run_command(tmp_path, "--config-dir", "mine", "tracking=old", "+norm=raw", *SMALL)
    assert outcome.status == 2
    *_, warning, error = outcome.err.splitlines()
    assert warning.endswith(
        "mine/tracking/old.yaml: _target_ harness.track.Tracking is now harness.tracking.tracking.Tracking; "
        "the old name goes in version 0.3"
    )
    assert error.startswith("harness: tracking.uri='5': expected text that is an address")


def test_an_old_name_of_the_launcher(tmp_path: Path) -> None:
    (tmp_path / "mine/hydra/launcher").mkdir(parents=True)
    name = "hydra_plugins.harness_ray_launcher.ray_launcher.RayLauncher"
    text = f"_target_: {name}\ninit: {{}}\nremote: {{num_cpus: 1}}\n"
    (tmp_path / "mine/hydra/launcher/old.yaml").write_text(text)
    outcome = run_command(tmp_path, "--config-dir", "mine", "hydra/launcher=old", "+norm=raw", "--help")
    assert outcome.status == 0
    assert f"_target_ {name} is now harness.cli.launchers.ray.RayLauncher" in outcome.err
