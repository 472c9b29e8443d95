"""Fitted statistics to disk and back: the same bits, and nothing in a file can run code."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from places import ROOT

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine import serialization
from harness.norm.engine.normalize import fit, stream
from harness.norm.engine.stage import FittedStage
from harness.norm.mean import Mean
from harness.numerics.moments import Moments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning"),
]
NAMES = sorted(path.stem for path in (ROOT / "conf" / "norm").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_member_transforms_to_the_same_bits_after_a_round_trip(
    name: str, member: Any, screen: Any, tmp_path: Path
) -> None:
    profiles = screen(planted=True)
    normalizer = member("norm", name)
    for package in getattr(normalizer, "requires", ()):
        pytest.importorskip(package)
    fitted = fit(profiles, normalizer)
    serialization.save(fitted, tmp_path / "x.npz")
    loaded = serialization.load(tmp_path / "x.npz")
    assert type(loaded) is type(fitted)
    assert str(loaded.scope) == str(fitted.scope)
    for normalizer in (fitted, loaded):
        assert all(k.endswith("_") or k in normalizer.get_params(deep=False) for k in vars(normalizer))
    results = [list(stream(profiles, n, fitted=True, finish=lambda _, Z: Z)) for n in (fitted, loaded)]
    for (plate, before), (_, after) in zip(*results, strict=True):
        np.testing.assert_array_equal(after, before, err_msg=plate.name)
    for stage in fitted.stages():
        member_of_plate = FittedStage(stage, profiles).normalizer_for(plate)
        serialization.save(member_of_plate, tmp_path / "one.npz")
        np.testing.assert_array_equal(
            serialization.load(tmp_path / "one.npz").transform(plate), member_of_plate.transform(plate)
        )


def test_every_kind_of_value_comes_back_as_it_was(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "float32": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1],
        "empty": np.zeros((0, 4)),
        "text": np.array(["a", "longer é"]),
        "bool": np.array([True, False]),
        "number": np.float64(0.1),
        "nan": float("nan"),
        "inf": -np.inf,
        "none": None,
        "nested": {"list": [1, (2.5, "x"), {"deep": [None, True]}], "empty": [], "tuple": ()},
        "moments": Moments(np.float64(3), np.ones(2), np.full(2, 0.1)),
        "normalizer": DmsoAcross(scope="transductive", seed=4),
        "scope": FitScope.BATCH,
    }
    serialization.save(AllWithin(), tmp_path / "x.npz", extra=values)
    back = serialization.load_with_extra(tmp_path / "x.npz")[1]
    assert list(back) == list(values)
    for key in ("float32", "empty", "text", "bool", "nan"):
        np.testing.assert_array_equal(back[key], values[key])
        assert np.asarray(back[key]).dtype == np.asarray(values[key]).dtype
    assert {k: back[k] for k in ("number", "inf", "none", "nested", "scope")} == {
        "number": 0.1,
        "inf": -np.inf,
        "none": None,
        "nested": values["nested"],
        "scope": "batch",
    }
    assert isinstance(back["nested"]["list"][1], tuple)
    assert isinstance(back["moments"].n, np.float64)
    np.testing.assert_array_equal(back["moments"].sd, values["moments"].sd)
    assert back["normalizer"].get_params() == values["normalizer"].get_params()


def test_what_cannot_be_kept_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    odd = AllWithin()
    odd.plate_ = {"p1": [object()]}  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"AllWithin\.plate_\['p1'\]\[0\] is a builtins.object"):
        serialization.save(odd, tmp_path / "x.npz")
    with pytest.raises(TypeError, match=r"ndarray"):
        serialization.save(AllWithin(), tmp_path / "x.npz", extra={"a": np.array([None])})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    serialization.save(Mean(), path)
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(InputError, match=r"x\.npz: cannot be written \(No space left on device\)"):
        serialization.save(DmsoWithin(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    with pytest.raises(InputError, match=r"nowhere/x\.npz: cannot be written"):
        serialization.save(Mean(), tmp_path / "nowhere" / "x.npz")


class Bomb:
    """Would leave a file behind if it were unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def rewritten(path: Path, change: Any) -> None:
    """The same file with another description."""
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(arrays["about"].tobytes())
    change(about)
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def pickled(path: Path) -> None:
    np.savez(path, about=np.array([Bomb()], dtype=object), allow_pickle=True)


def named(target: str) -> Any:
    def change(path: Path) -> None:
        rewritten(path, lambda about: about["normalizer"].update(normalizer=target))

    return change


DAMAGE: dict[str, tuple[Any, str]] = {
    "absent": (Path.unlink, "no such file"),
    "empty": (lambda p: p.write_bytes(b""), "damaged|no fitted statistics"),
    "truncated": (truncated, "damaged"),
    "text": (lambda p: p.write_text("plate,well\n"), "pickle"),
    "a pickle": (lambda p: p.write_bytes(pickle.dumps(Bomb())), "pickle"),
    "a pickled npz": (pickled, "pickle"),
    "another npz": (lambda p: np.savez(p, features=np.zeros(3)), "no fitted statistics in it"),
    "another format": (lambda p: rewritten(p, lambda a: a.update(format="other 7")), "'other 7'"),
    "an array is missing": (
        lambda p: rewritten(p, lambda a: a["normalizer"]["state"].update(mean_={"array": "gone"})),
        "damaged.*gone",
    ),
    "a parameter of another version": (
        lambda p: rewritten(p, lambda a: a["normalizer"]["params"].update(new=1)),
        "damaged.*new",
    ),
    "an attribute that is a method": (
        lambda p: rewritten(p, lambda a: a["normalizer"]["state"].update(transform="x")),
        "damaged.*transform",
    ),
    "an unknown scope": (
        lambda p: rewritten(p, lambda a: a["normalizer"]["params"].update(scope="all")),
        "scope 'all' is unknown",
    ),
    "code of the system": (named("os.system"), "'os.system'; only members of harness.norm"),
    "another package of ours": (named("harness.data.npz.Npz"), "only members of harness.norm"),
    "an absent module": (named("harness.norm.bogus.Bogus"), "only members of harness.norm"),
    "what a member imports": (named("harness.norm.dmso_across.Path"), "does not have"),
    "a function": (named("harness.norm.dmso_across.fallback_report"), "does not have"),
    "a dataclass for a normalizer": (named("harness.numerics.moments.Moments"), "does not have"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_or_foreign_file_is_one_plain_line(
    case: str, screen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.statistics.npz"
    serialization.save(fit(screen(), DmsoAcross()), path)
    damage, message = DAMAGE[case]
    damage(path)
    with pytest.raises(InputError, match=message) as refused:
        serialization.load(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "exploded").exists()


def test_a_flipped_byte_is_noticed_wherever_it_matters(screen: Any, tmp_path: Path) -> None:
    profiles = screen()
    path = tmp_path / "x.npz"
    serialization.save(fit(profiles, DmsoAcross(exchangeable=False)), path)
    content = path.read_bytes()
    expected = serialization.load(path).transform(profiles[0])
    noticed = 0
    for position in range(0, len(content), 97):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            loaded = serialization.load(path)
        except InputError:
            noticed += 1
        else:
            np.testing.assert_array_equal(loaded.transform(profiles[0]), expected)
    assert noticed > 10


def test_a_member_from_elsewhere_can_be_saved_but_not_loaded(tmp_path: Path) -> None:
    class Elsewhere(Normalizer):
        def fit(self, plates: Sequence[Plate]) -> Self:  # noqa: ARG002
            return self

        def transform(self, plate: Plate) -> Floats:
            return plate.X

    serialization.save(Elsewhere(), tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"only members of harness\.norm"):
        serialization.load(tmp_path / "x.npz")
