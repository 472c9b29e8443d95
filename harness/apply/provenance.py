"""Provenance of normalized profiles: command, versions, normalization, data and configuration."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import harness
from harness.apply.fitted_normalization import FittedNormalization
from harness.utils.redaction import redacted_config, redacted_value


def provenance_of(cfg: DictConfig, fitted: FittedNormalization, n_rows: int) -> dict[str, Any]:
    """Return the provenance of the profiles."""
    file = None if cfg.fitted is None else {"path": cfg.fitted, "sha256": sha256_of(Path(cfg.fitted))}
    profiles, normalizer = fitted.profiles, fitted.normalizer
    wells, words = profiles.wells, map(redacted_value, HydraConfig.get().overrides.task)
    return {
        "command": shlex.join(["python", "-m", "harness.apply", *words]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "harness": harness.__version__,
            **{package: importlib.metadata.version(package) for package in ("numpy", "pandas", "pyarrow")},
        },
        "normalization": {
            "name": fitted.name,
            "scope": str(normalizer.scope),
            "steps": [
                {"class": f"{type(s).__module__}.{type(s).__name__}", "parameters": s.get_params(), "statistics": line}
                for s, line in zip(normalizer.stages(), fitted.lines(), strict=True)
            ],
        },
        "fitted": file,
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


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
