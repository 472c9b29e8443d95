"""Fitted normalizers on disk: one npz of plain arrays and a description in JSON; nothing in it can run code.

A file holds parameters (``get_params``), fitted attributes (those that end in ``_``) and the path of the class, which
must lie in :mod:`harness.norm`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.exceptions import InputError
from harness.norm.base import Normalizer, check_scope
from harness.utils.atomic_write import atomic_write
from harness.utils.file_kinds import refuse_all_but_files, replaced_file

FORMAT = "harness.norm.state 2"  # as in the files of version 0.1; 2: features without variance are centred
_ABOUT = "about"
_PACKAGE = Path(__file__).resolve().parents[2]
_CLASS = re.compile(r"(harness\.(?:norm|numerics)\.[a-z][a-z0-9_.]*)\.([A-Za-z]\w*)")
_MOVED = {  # modules of classes in files that version 0.1 saved
    "harness.norm.affine": "harness.norm.engine.affine",
    "harness.norm.covariance": "harness.numerics.covariance",
    "harness.norm.covariates": "harness.norm.combat_model.covariates",
    "harness.norm.empirical_bayes": "harness.norm.combat_model.empirical_bayes",
    "harness.norm.moments": "harness.numerics.moments",
    "harness.norm.pooled": "harness.norm.combat_model.pooled",
    "harness.norm.principal": "harness.norm.engine.standardized_wells",
    "harness.norm.spectrum": "harness.numerics.eigen",
    "harness.norm.standards": "harness.norm.engine.transfer_set",
}
_RENAMED = {  # classes, fields of dataclasses and fitted attributes that version 0.1 called otherwise
    "harness.norm.engine.transfer_set.Standards": ("TransferSet", {"own": "source", "ref": "reference"}),
    "harness.norm.quantile.Own": ("PlateControls", {}),
    "harness.norm.quantile.Quantile": ("Quantile", {"own_": "plate_controls_"}),
    "harness.norm.combat_model.pooled.Pooled": ("Pooled", {"kept": "usable"}),
    "harness.norm.coral.Coral": ("Coral", {"known_": "training_reference_"}),
    "harness.norm.tvn.Tvn": ("Tvn", {"known_": "training_reference_"}),
    "harness.norm.direct_standardization.DirectStandardization": (
        "DirectStandardization", {"known_": "training_reference_", "own_": "transfer_"}
    ),
}  # fmt: skip
_KINDS = "biufU"  # bool, integers, floats, text


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to ``path`` that replaces it if the block succeeds and is deleted if it fails.

    Raises
    ------
    InputError : the folder does not exist or cannot be written, the disk is full, or ``path`` exists and is no file.
    """
    path = replaced_file(path, "output")
    try:
        with atomic_write(path) as temporary:
            yield temporary
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def existing(targets: Sequence[Path]) -> list[Path]:
    """Return those of ``targets`` that exist already.

    Raises
    ------
    InputError : a name that no file can have.
    """
    present = []
    for target in targets:
        try:
            target.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise InputError(f"{target}: no file can be called so ({error}); choose another name") from error
        present.append(target)
    return present


def save(normalizer: Normalizer, path: Path, *, extra: dict[str, Any] | None = None) -> None:
    """Write ``normalizer``, fitted or not, and ``extra``, which may hold further normalizers, to ``path`` (.npz).

    Raises
    ------
    TypeError : an attribute that is not made of arrays, numbers, text, lists, dicts, dataclasses and normalizers.
    InputError : the file cannot be written.
    """
    arrays: dict[str, Any] = {}
    about = {"format": FORMAT, "normalizer": encode(normalizer, arrays), "extra": encode(extra or {}, arrays)}
    arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(path: Path) -> Normalizer:
    """Return the normalizer that :func:`save` wrote; see :func:`load_with_extra`."""
    return load_with_extra(path)[0]


def load_with_extra(path: Path) -> tuple[Normalizer, dict[str, Any]]:
    """Return the normalizer and the extra that :func:`save` wrote.

    Raises
    ------
    InputError : the file is absent, damaged, needs pickle, or is something else; a class that is not in
        :mod:`harness.norm`, or whose parameters have changed.
    """
    refuse_all_but_files(path, "fitted statistics")
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile) or _ABOUT not in file.files:
            raise InputError("no fitted statistics in it; expected NAME.statistics.npz of harness.apply")
        with file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if about["format"] != FORMAT:
            raise InputError(f"statistics of format {about['format']!r}; this version reads {FORMAT!r}")
        normalizer, extra = decode(about["normalizer"], arrays), decode(about["extra"], arrays)
        if not isinstance(normalizer, Normalizer) or not isinstance(extra, dict):
            raise TypeError("no normalizer in it")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected NAME.statistics.npz of harness.apply") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, RecursionError,
            AttributeError, NotImplementedError) as error:  # fmt: skip
        if "pickle" in str(error):
            raise InputError(f"{path}: reading it needs pickle, which could run code and is refused") from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: damaged, or no fitted statistics ({reason}); save them again") from error
    return normalizer, extra


def encode(value: Any, arrays: dict[str, Any], where: str = "") -> Any:
    """Return ``value`` as JSON; its arrays go to ``arrays``. TypeError names an attribute that cannot be stored."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _KINDS:
        name = next((n for n, stored in arrays.items() if stored is value), f"a{len(arrays)}")  # copies share arrays
        arrays.setdefault(name, value)
        return {"scalar" if isinstance(value, np.generic) else "array": name}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return {type(value).__name__: [encode(v, arrays, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, dict):
        pairs = [[encode(k, arrays, where), encode(v, arrays, f"{where}[{k!r}]")] for k, v in value.items()]
        return {"dict": pairs}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, Normalizer):
        params = value.get_params(deep=False)
        state = {k: v for k, v in vars(value).items() if k.endswith("_")}
        return {
            "normalizer": kind,
            "params": {k: encode(v, arrays, f"{kind}.{k}") for k, v in params.items()},
            "state": {k: encode(v, arrays, f"{kind}.{k}") for k, v in state.items()},
        }
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"dataclass": kind, "fields": {k: encode(v, arrays, f"{where}.{k}") for k, v in fields.items()}}
    raise TypeError(f"{where or 'value'} is a {kind}, which cannot be kept without pickle")


def decode(node: Any, arrays: dict[str, Any]) -> Any:
    """Return the value that :func:`encode` turned into ``node``."""
    match node:
        case {"array": name}:
            return arrays[name]
        case {"scalar": name}:
            return arrays[name][()]
        case {"list": parts}:
            return [decode(part, arrays) for part in parts]
        case {"tuple": parts}:
            return tuple(decode(part, arrays) for part in parts)
        case {"dict": pairs}:
            return {decode(key, arrays): decode(value, arrays) for key, value in pairs}
        case {"dataclass": path, "fields": fields}:
            cls, renamed = _class(path, dataclass=True)
            return cls(**{renamed.get(k, k): decode(v, arrays) for k, v in fields.items()})
        case {"normalizer": path, "params": params, "state": state}:
            cls, renamed = _class(path, dataclass=False)
            normalizer = cls(**{k: decode(v, arrays) for k, v in params.items()})
            if not all(name.endswith("_") and not name.startswith("_") for name in state):
                raise TypeError(f"attributes {list(state)}")
            vars(normalizer).update({renamed.get(k, k): decode(v, arrays) for k, v in state.items()})
            check_scope(normalizer.scope)
            return normalizer
        case None | bool() | int() | float() | str():
            return node
    raise TypeError(f"an unknown kind of value {str(node)[:80]!r}")


def _class(path: str, *, dataclass: bool) -> tuple[Any, dict[str, str]]:
    """Return a normalizer or a dataclass of harness.norm or harness.numerics, and new names of its attributes.

    Nothing else is imported.
    """
    match = _CLASS.fullmatch(path)
    module = _MOVED.get(match[1], match[1]) if match else ""
    if not match or not _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").is_file():
        raise InputError(f"statistics of {path!r}; only members of harness.norm can be loaded")
    name, renamed = _RENAMED.get(f"{module}.{match[2]}", (match[2], {}))
    loaded = getattr(importlib.import_module(module), name, None)
    fits = isinstance(loaded, type) and loaded.__module__ == module
    if not fits or not (dataclasses.is_dataclass(loaded) if dataclass else issubclass(loaded, Normalizer)):  # type: ignore[arg-type]
        raise InputError(f"statistics of {path!r}, which this version of harness.norm does not have")
    return loaded, renamed
