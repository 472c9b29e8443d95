"""Normalize a screen, or new plates with saved statistics, and write profiles, statistics and provenance."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.apply.fitted_normalization import fit_normalization, load_normalization
from harness.apply.provenance import provenance_of, sha256_of
from harness.apply.writers import metadata_first, writer_of
from harness.cli.chosen_norm import resolve_norm
from harness.cli.output_targets import check_targets
from harness.core.exceptions import InputError
from harness.data.wells.aggregation import check_method
from harness.norm.base import Normalizer
from harness.norm.engine.normalize import output_table, stream_wells
from harness.norm.engine.serialization import encode, existing, replacing, save
from harness.utils.file_kinds import refuse_all_but_files
from harness.utils.progress import progress_bar

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


def apply_config(cfg: DictConfig) -> None:
    """Normalize the screen of ``cfg`` and write profiles, statistics and provenance, all or none."""
    name = "" if OmegaConf.is_missing(cfg, "norm") else resolve_norm(cfg)
    check_method(cfg.aggregate)
    out = Path(cfg.out)
    writer = writer_of(out)
    targets = [out, out.with_suffix(".statistics.npz"), out.with_suffix(".provenance.json")]
    if cfg.fitted is not None:
        _check_fitted(cfg, targets)
    check_targets(targets, force=cfg.force)
    fitted = fit_normalization(cfg, name) if cfg.fitted is None else load_normalization(cfg)
    profiles, lines = fitted.profiles, fitted.lines()
    wells = metadata_first(output_table(profiles, cfg.aggregate), profiles.features)
    by_plate = PlateStatistics()
    with replacing(targets[0]) as data, replacing(targets[1]) as statistics, replacing(targets[2]) as provenance:
        with progress_bar("apply", len(profiles)) as step, writer(data, wells, profiles.features) as write:
            plates = stream_wells(profiles, fitted.normalizer, aggregate=cfg.aggregate, keep=by_plate, fitted=True)
            for rows, Z in plates:
                write(wells.iloc[rows], Z)
                step(str(wells["plate"].iloc[rows.start]))
        features = list(profiles.features)
        extra = {**fitted.trained_on, "name": fitted.name, "features": features, "by_plate": by_plate.statistics}
        save(fitted.normalizer, statistics, extra=extra)
        record = provenance_of(cfg, fitted, len(wells))
        record["statistics_by_plate_or_batch"] = "kept" if by_plate.complete else f"left out: over {MOST_BYTES:,} bytes"
        record["sha256"] = {t.name: sha256_of(f) for t, f in zip(targets, (data, statistics), strict=False)}
        provenance.write_text(json.dumps(record, indent=1, default=str) + "\n", "utf-8")
    level = "rows" if cfg.aggregate == "none" else "wells"
    print(f"{out}: {fitted.name}, {len(wells):,} {level} x {len(profiles.features):,} features of {profiles.name}")
    print("\n".join(lines))


def _check_fitted(cfg: DictConfig, targets: list[Path]) -> None:
    """Refuse ``fitted`` if it is no file, would be overwritten, or leaves no choice to ``+norm``."""
    file = Path(cfg.fitted)
    existing([file])
    refuse_all_but_files(file, f"fitted={cfg.fitted}")
    if not OmegaConf.is_missing(cfg, "norm"):
        raise InputError("both +norm and fitted are set; fitted already has a normalization: leave one out")
    if file.resolve() in [target.resolve() for target in targets]:
        raise InputError(f"out={cfg.out} would overwrite fitted={cfg.fitted}; choose another name")
