"""Settings of each command that belong to no member, with types and ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from harness.settings.composite_kinds import AnyOf, Field, Fields, Node, Nodes
from harness.settings.kinds import Kind, Text
from harness.settings.limits import (
    Above,
    Address,
    AtLeast,
    Between,
    Distinct,
    EndsWith,
    FilePath,
    Length,
    NotEmpty,
    OneOf,
    Rising,
)  # fmt: skip
from harness.settings.members import CONF, read
from harness.settings.signature import fields_of

AGGREGATES = ("median", "mean", "none")
LARGEST_SEED = 2**32 - 1


@dataclass
class CacheSettings:
    """Packed screens on disk."""

    folder: Annotated[str, FilePath()]
    max_gb: Annotated[float, Above(0)]


@dataclass
class EvaluationSettings:
    """``python -m harness``."""

    audit_wells: Annotated[int, AtLeast(1)] | None
    aggregate: Annotated[str, OneOf(*AGGREGATES)]
    n_resamples: Annotated[int, Between(2, 1_000_000)]
    seed: Annotated[int, Between(0, LARGEST_SEED)]
    processes: Annotated[int, Between(1, 1024)]
    cache: Any
    resume: bool
    force: bool
    units: Annotated[str, FilePath()]


@dataclass
class ApplySettings:
    """``python -m harness.apply``."""

    fitted: Annotated[str, FilePath()] | None
    out: Annotated[str, FilePath(), EndsWith(".parquet", ".h5ad")]
    force: bool
    aggregate: Annotated[str, OneOf(*AGGREGATES)]
    seed: Annotated[int, Between(0, LARGEST_SEED)]
    cache: Any


@dataclass
class ImageSettings:
    """``images`` of ``python -m harness.montage``."""

    template: Annotated[str, NotEmpty()] | None
    channels: Annotated[str, NotEmpty()] | Annotated[Sequence[Annotated[str, NotEmpty()]], Distinct()] | None
    colours: Sequence[str] | None
    sites: Annotated[Sequence[str | int], NotEmpty(), Distinct()]
    percentiles: Annotated[Sequence[Annotated[float, Between(0, 100)]], Length(2), Rising()]


@dataclass
class TrackingSettings:
    """``tracking`` of commands that only read runs."""

    uri: Annotated[str, Address()]
    experiment: Annotated[str, NotEmpty()] | None


@dataclass
class MontageSettings:
    """``python -m harness.montage``."""

    images: Any
    wells: Sequence[str] | None
    run: Annotated[str, NotEmpty()] | None
    tables: Annotated[str, NotEmpty()] | Annotated[Sequence[Annotated[str, NotEmpty()]], NotEmpty()]
    n: Annotated[int, Between(1, 1000)]
    score: Annotated[str, NotEmpty()] | None
    out: Annotated[str, FilePath(), EndsWith(".png")]
    force: bool
    size: Annotated[int, Between(32, 4096)]
    columns: Annotated[int, Between(1, 1000)]
    tracking: Any


@dataclass
class ModelSettings:
    """Settings of ``model`` next to the models."""

    encode: Annotated[str, OneOf("batch", "plate")] | None


@dataclass
class DataSettings:
    """Settings of ``data`` next to those of the reader; YAML reads ``off`` as false."""

    leak_guard: Annotated[str, OneOf("error", "warn", "off")] | bool


@dataclass
class InspectSettings:
    """``python -m harness.inspect``."""

    seed: Annotated[int, Between(0, LARGEST_SEED)]


_GROUP_SETTINGS = {"model": "ModelSettings", "data": "DataSettings"}
_COMMANDS = {
    "config": "EvaluationSettings",
    "apply": "ApplySettings",
    "montage": "MontageSettings",
    "inspect": "InspectSettings",
}
_OPTIONAL = {"apply": ("norm",)}


def command_fields(command: str) -> Fields:
    """Return the settings of the command whose configuration is ``conf/<command>.yaml``."""
    content = read(CONF / f"{command}.yaml")
    typed = _settings(_COMMANDS[command])
    parts: dict[str, Kind] = {
        "cache": AnyOf((Text((FilePath(),)), _settings("CacheSettings"))),
        "images": _settings("ImageSettings"),
        "tracking": _settings("TrackingSettings"),
    }
    fields = {name: Field(parts.get(name, field.kind), required=True) for name, field in typed.fields.items()}
    optional = _OPTIONAL.get(command, ())
    if "norm" in content:
        fields["norm"] = Field(Node(), required="norm" not in optional)
    for entry in content["defaults"]:
        for group, members in entry.items() if isinstance(entry, Mapping) else ():
            if not group.startswith("override"):
                several = isinstance(members, list)  # an empty list leaves nothing of its group in the configuration
                fields[group] = Field(Nodes() if several else Node(), required=not several)
    return Fields(fields)


def group_settings(group: str) -> Fields:
    """Return the settings of a group itself, which stand next to its members."""
    return _settings(_GROUP_SETTINGS[group]) if group in _GROUP_SETTINGS else Fields()


def _settings(name: str) -> Fields:
    fields = fields_of(f"{__name__}.{name}")
    assert fields is not None
    return fields
