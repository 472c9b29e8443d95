"""Normalize a screen, or new plates with saved statistics, and write profiles, statistics and provenance."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import platform
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from harness.apply.writers import metadata_first, writer_of
from harness.cli.chosen_norm import resolve_norm
from harness.cli.load_screen import LoadedScreen
from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import check_method
from harness.norm.base import Normalizer, check_scope
from harness.norm.engine.normalize import fit, output_table, stream_wells
from harness.norm.engine.serialization import encode, existing, load_with_extra, replacing, save
from harness.utils.file_kinds import refuse_all_but_files
from harness.utils.progress import progress_bar
from harness.utils.redaction import redacted_config, redacted_value
from harness.utils.text import preview

logger = logging.getLogger(__name__)
MOST_BYTES = 1 << 28  # of all statistics of plates and batches, which are saved for the record unless larger


@dataclass
class PlateStatistics:
    """Collector of the statistics of single plates and batches, by stage; it drops all if they grow too large."""

    statistics: dict[str, dict[str, Normalizer]] = field(default_factory=dict)
    complete: bool = True
    _arrays: dict[str, Any] = field(default_factory=dict)

    def __call__(self, stage: int, key: str, normalizer: Normalizer) -> None:
        """Add the normalizer that a stage fitted to a plate or batch."""
        if not self.complete:
            return
        encode(normalizer, self._arrays)
        if sum(array.nbytes for array in self._arrays.values()) > MOST_BYTES:
            self.complete = False
            self.statistics.clear()
            self._arrays.clear()
        else:
            self.statistics.setdefault(str(stage), {})[key] = normalizer


class SelectedColumns:
    """Some columns of an array (n, m), in another order; rows are read on access."""

    ndim = 2

    def __init__(self, X: Floats, columns: NDArray[np.int64]) -> None:
        self.X = X
        self.columns = columns
        self.shape = (len(X), len(columns))

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice) -> Floats:
        return np.ascontiguousarray(self.X[rows][:, self.columns])


def select_features(profiles: Profiles, features: list[str], source: str) -> Profiles:
    """Return ``profiles`` with exactly ``features``, in their order; others are left out.

    Raises
    ------
    InputError : features that the data do not have.
    """
    place = {name: i for i, name in enumerate(profiles.features)}
    missing = [name for name in features if name not in place]
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of the {len(features)} features that were fitted are not in the data: "
            f"{preview(missing)}; the data have {preview(profiles.features, 3)}"
        )
    if list(profiles.features) == features:
        return profiles
    columns = np.array([place[name] for name in features], dtype=np.int64)
    return profiles.replace(X=cast(Floats, SelectedColumns(profiles.X, columns)), features=features, planted=None)


def describe_fit(stage: Normalizer, training: str) -> str:
    """Return in words which data a stage's statistics come from; ``training`` names the rows to train on."""
    if type(stage).fit is Normalizer.fit and type(stage).adapt is Normalizer.adapt:
        return "nothing is fitted"
    return {
        FitScope.PLATE: "fitted on each of these plates itself",
        FitScope.BATCH: "fitted on each of these batches itself",
        FitScope.TRAIN: f"fitted on {training}",
        FitScope.TRAIN_AND_CONTROLS: f"fitted on {training}, then adapted to the controls of each of these batches",
        FitScope.TRANSDUCTIVE: f"fitted on {training}",
    }[check_scope(stage.scope)]


def apply_config(cfg: DictConfig) -> None:
    """Normalize what ``cfg`` describes and write profiles, statistics and provenance, all or none."""
    if not OmegaConf.is_missing(cfg, "norm"):
        name = resolve_norm(cfg)
    check_method(cfg.aggregate)
    out = Path(cfg.out)
    writer = writer_of(out)
    targets = [out, out.with_suffix(".statistics.npz"), out.with_suffix(".provenance.json")]
    _check_targets(targets, cfg)
    before: dict[str, Any] | None = None
    if cfg.fitted is None:
        if OmegaConf.is_missing(cfg, "norm"):
            raise InputError("nothing to apply: add +norm=NAME, or fitted=NAME.statistics.npz of an earlier run")
        normalizer = instantiate(cfg.norm, _convert_="all")
        check_scope(normalizer.scope)
        profiles = LoadedScreen(cfg).profiles
        origin = f"all {len(profiles.wells):,} rows"
        ready = fit(profiles, normalizer)
    else:
        ready, before = load_with_extra(Path(cfg.fitted))
        if not {"name", "features", "data", "fingerprint", "plates"} <= set(before):
            raise InputError(f"{cfg.fitted}: no feature names in it; expected NAME.statistics.npz of harness.apply")
        name, origin = before["name"], f"{before['data']} ({before['fingerprint'][:8]}), frozen"
        profiles = LoadedScreen(cfg).profiles
        _check_plates(profiles, before)
        profiles = select_features(profiles, before["features"], str(cfg.fitted))
    lines = [f"{type(stage).__name__} ({stage.scope}): {describe_fit(stage, origin)}" for stage in ready.stages()]
    wells = metadata_first(output_table(profiles, cfg.aggregate), profiles.features)
    kept = PlateStatistics()
    with replacing(targets[0]) as data, replacing(targets[1]) as statistics, replacing(targets[2]) as provenance:
        with progress_bar("apply", len(profiles)) as step, writer(data, wells, profiles.features) as write:
            for rows, Z in stream_wells(profiles, ready, aggregate=cfg.aggregate, keep=kept, fitted=True):
                write(wells.iloc[rows], Z)
                step(str(wells["plate"].iloc[rows.start]))
        trained_on = before or {
            "data": profiles.name,
            "fingerprint": profiles.fingerprint,
            "plates": list(dict.fromkeys(profiles.wells["plate"])),
        }
        extra = {**trained_on, "name": name, "features": list(profiles.features), "by_plate": kept.statistics}
        save(ready, statistics, extra=extra)
        record = _record(cfg, name, ready, lines, profiles, len(wells))
        record["statistics_by_plate_or_batch"] = "kept" if kept.complete else f"left out: over {MOST_BYTES:,} bytes"
        record["sha256"] = {t.name: _sha256(f) for t, f in zip(targets, (data, statistics), strict=False)}
        provenance.write_text(json.dumps(record, indent=1, default=str) + "\n", "utf-8")
    level = "rows" if cfg.aggregate == "none" else "wells"
    print(f"{out}: {name}, {len(wells):,} {level} x {len(profiles.features):,} features of {profiles.name}")
    print("\n".join(lines))


def _check_targets(targets: list[Path], cfg: DictConfig) -> None:
    present = existing(targets)
    for target in present:
        refuse_all_but_files(target, f"out={cfg.out}")
    if not targets[0].parent.is_dir():
        raise InputError(f"out={cfg.out}: there is no folder {str(targets[0].parent)!r}; make it, or choose another")
    if cfg.fitted is not None:
        existing([Path(cfg.fitted)])
        refuse_all_but_files(Path(cfg.fitted), f"fitted={cfg.fitted}")
        if not OmegaConf.is_missing(cfg, "norm"):
            raise InputError("both +norm and fitted are given; fitted already says which normalization: leave one out")
        if Path(cfg.fitted).resolve() in [target.resolve() for target in targets]:
            raise InputError(f"out={cfg.out} would overwrite fitted={cfg.fitted}; choose another name")
    if present and not cfg.force:
        raise InputError(
            f"{', '.join(map(str, present))} exists already; choose another out, or add force=true to overwrite"
        )


def _check_plates(profiles: Profiles, before: dict[str, Any]) -> None:
    """Warn if other data have names of fitted plates: they are taken for the same plates."""
    again = sorted(set(before["plates"]) & set(profiles.wells["plate"]))
    if again and profiles.fingerprint != before["fingerprint"]:
        logger.warning(
            "plates %s have the names of plates that were fitted, but these are other data: if they are other plates, "
            "their control wells may be taken for those that were fitted; rename them",
            preview(again, 3),
        )


def _record(
    cfg: DictConfig, name: str, ready: Normalizer, lines: list[str], profiles: Profiles, n_rows: int
) -> dict[str, Any]:
    """Return the provenance of the profiles."""
    fitted = None if cfg.fitted is None else {"path": cfg.fitted, "sha256": _sha256(Path(cfg.fitted))}
    wells, words = profiles.wells, map(redacted_value, HydraConfig.get().overrides.task)
    return {
        "command": shlex.join(["python", "-m", "harness.apply", *words]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in ("harness", "numpy", "pandas", "pyarrow")},
        },
        "normalization": {
            "name": name,
            "scope": str(ready.scope),
            "steps": [
                {"class": f"{type(s).__module__}.{type(s).__name__}", "parameters": s.get_params(), "statistics": line}
                for s, line in zip(ready.stages(), lines, strict=True)
            ],
        },
        "fitted": fitted,
        "data": {
            "name": profiles.name,
            "fingerprint": profiles.fingerprint,
            "rows": len(wells),
            "plates": wells["plate"].nunique(),
            "batches": wells["batch"].nunique(),
            "features": len(profiles.features),
        },
        "rows": n_rows,
        "config": redacted_config(
            {
                str(key): OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                for key, value in ((key, cfg[key]) for key in cfg if not OmegaConf.is_missing(cfg, str(key)))
            }
        ),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
