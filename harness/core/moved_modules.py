"""Old names of modules and classes, importable with a warning until version 0.3.

Users' own members import modules of this package, and their configurations name classes of it in ``_target_``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Below harness: an old module, and the modules in which its names are looked for.
MOVED_MODULES = {
    "aggregate": "data.wells.aggregation",
    "audit.components": "audit.shared.control_embedding numerics.components",
    "audit.intervals": "audit.shared.intervals",
    "audit.mahalanobis": "numerics.mahalanobis",
    "audit.neighbours": "numerics.neighbors",
    "audit.ranking": "audit.replicate.chance",
    "audit.relabel": "audit.shared.hidden_controls",
    "audit.replicates": "audit.replicate.similarity",
    "bootstrap": "scoring.bootstrap",
    "cache": "store.lru_cache core.exceptions",
    "cores": "utils.cpu_count",
    "data.frame": "data.columns.from_frame",
    "data.pack": "store.writer",
    "data.source": "store.source",
    "data.store": "store.store",
    "data.text": "utils.text",
    "errors": "core.exceptions",
    "figure.bars": "plotting.batch_bar",
    "figure.control_units": "plotting.control_units",
    "figure.curve": "plotting.curve",
    "figure.forest": "plotting.forest",
    "figure.medians": "data.wells.plate_medians",
    "figure.order": "plotting.axis_order",
    "figure.panels": "plotting.panels",
    "figure.sampling": "data.wells.sampling",
    "figure.style": "plotting.style",
    "labels": "task.labels",
    "labels.base": "task.labels.base",
    "labels.join": "task.labels.join",
    "labels.source": "task.labels.source",
    "metric.named": "metric.shared.named_metrics",
    "middle": "numerics.median",
    "norm.affine": "norm.engine.affine",
    "norm.canonical": "norm.engine.row_order",
    "norm.constant": "numerics.constant_features",
    "norm.covariance": "numerics.covariance",
    "norm.crossfit": "norm.engine.crossfit",
    "norm.crossfitted": "norm.engine.crossfit",
    "norm.exchange": "norm.engine.exchangeable",
    "norm.moments": "numerics.moments",
    "norm.normalize": "norm.engine.normalize",
    "norm.order": "numerics.leave_one_out_quantiles",
    "norm.polish": "numerics.median_polish",
    "norm.principal": "norm.engine.standardized_wells",
    "norm.regularize": "numerics.shrinkage",
    "norm.scaling": "numerics.standardize",
    "norm.spectrum": "numerics.eigen",
    "norm.state": "norm.engine.serialization",
    "norm.step": "norm.engine.stage utils.parallel",
    "norm.summary": "norm.engine.plate_summaries",
    "progress": "utils.progress",
    "recorder": "core.recorder",
    "score": "scoring.score_table",
    "seeding": "core.seeding",
    "settings.types": "settings.annotated_types",
    "track": "tracking.tracking",
    "track.store": "tracking.tracking",
    "types": "core.profiles core.plate core.well_facts core.evaluation core.scope core.exceptions core.arrays",
    "weights": "metric.shared.weights",
}
RENAMED = {  # (old module, old name): new name
    ("cache", "Cache"): "DirectoryCache",
    ("cache", "DamagedStoreError"): "CorruptedStoreError",
    ("norm.affine", "Affine"): "AffineNormalizer",
    ("norm.exchange", "left_out"): "left_out_control",
    ("norm.exchange", "positions"): "control_index",
    ("norm.summary", "Summarized"): "PlateSummaryNormalizer",
    ("weights", "Weights"): "BootstrapWeights",
}
MOVED_TARGETS = {  # of configurations
    "harness.cli.sweep.BeforeSweep": "harness.cli.sweep.SweepCallback",
    "harness.track.Tracking": "harness.tracking.tracking.Tracking",
    "harness.track.store.Tracking": "harness.tracking.tracking.Tracking",
    "hydra_plugins.harness_ray_launcher.ray_launcher.RayLauncher": "harness.cli.launchers.ray.RayLauncher",
    "hydra_plugins.harness_sweeper.discreet_sweeper.DiscreetSweeper": "harness.cli.discreet_sweeper.DiscreetSweeper",
}
_ROOT = "harness."


class MovedWarning(DeprecationWarning):
    """Warning about the old name of a module or class."""


class _MovedModules(MetaPathFinder, Loader):
    """Import of an old module as an empty one, whose names are looked for in the modules of today."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the interface of importlib
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return a spec for the old name of a module; None for any other."""
        name = fullname.removeprefix(_ROOT)
        if not fullname.startswith(_ROOT) or name not in MOVED_MODULES:
            return None
        return ModuleSpec(fullname, self, is_package=any(other.startswith(f"{name}.") for other in MOVED_MODULES))

    def exec_module(self, module: ModuleType) -> None:
        """Warn, and let the module find its names elsewhere."""
        old = module.__name__.removeprefix(_ROOT)
        places = MOVED_MODULES[old].split()
        present = ", ".join(f"{_ROOT}{place}" for place in places)
        warnings.warn(f"{module.__name__} is now {present}; the old name goes in version 0.3", MovedWarning, 2)

        def find(name: str) -> Any:
            if not name.startswith("__"):
                for place in places:
                    module_today = import_module(f"{_ROOT}{place}")
                    if hasattr(module_today, RENAMED.get((old, name), name)):
                        return getattr(module_today, RENAMED.get((old, name), name))
            raise AttributeError(f"{module.__name__} is now {present}, which has no {name!r}")

        module.__dict__["__getattr__"] = find


def register_moved_modules() -> None:
    """Let old modules be imported; none of them has the name of a module of today."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MovedModules())


def present_target(target: str, place: object) -> str:
    """Return the present name of what ``_target_`` names, with a warning if it is another; ``place`` is its file."""
    present = MOVED_TARGETS.get(target, target)
    if present != target:
        text = f"{place}: _target_ {target} is now {present}; the old name goes in version 0.3"
        warnings.warn(text, MovedWarning, stacklevel=2)
    return present
