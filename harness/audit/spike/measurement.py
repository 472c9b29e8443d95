"""Shared by all spikes of a run: its wells, normalized by its method and by the yardstick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext, BySplit
from harness.audit.shared.views import cached_per_run, normalized_wells, raw_wells
from harness.audit.spike.control_scale import control_sd, plate_control_sd, shrink_scale
from harness.audit.spike.design import UNSPIKED, spike_candidates
from harness.audit.spike.displacements import DisplacementSums, sum_displacements
from harness.audit.spike.noise import NoiseWells, noise_wells
from harness.audit.spike.yardstick import Yardstick, spike_yardstick
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles

MOST_TURNED = 1000  # features of a linear map between two fits
TURNED = 0.2  # sd by which unspiked wells move if a method turns its axes


@dataclass(frozen=True, eq=False)
class SpikeInExperiment:
    """Wells of a screen, normalized without spikes, and what spikes do to them.

    Attributes
    ----------
    base : raw wells.
    baseline : the same wells normalized by the run's method without spikes, (n_wells, n_features).
    normalize : the run's method, see :class:`harness.audit.base.AuditContext`.
    scale : (n_plates, n_features) control sd of the raw plates, 0 for features that do not vary there.
    plate : (n_wells,) the number of each well's plate.
    noise : the wells that show the noise.
    yardstick : the method that effects are compared with.
    """

    base: Profiles
    baseline: Floats
    normalize: Callable[[Profiles], BySplit]
    scale: Doubles
    plate: NDArray[np.intp]
    noise: NoiseWells
    yardstick: Yardstick

    @cached_property
    def treated(self) -> Mask:
        """Wells that may be spiked, (n_wells,)."""
        return spike_candidates(self.base.wells)

    def spiked(self, code: NDArray[np.intp], effects: Doubles) -> Profiles:
        """Add ``effects`` (n_directions, n_features), in control sd of each plate, to the wells of their ``code``."""
        rows = np.flatnonzero(code != UNSPIKED)
        X = self.base.X.copy()
        X[rows] += self._added(rows, code, effects).astype(np.float32)
        if self.base.planted is None:
            return self.base.replace(X=X)
        planted = self.base.planted.copy()
        planted[rows] += (effects[code[rows]] * control_sd(planted, self.base.wells)[rows]).astype(np.float32)
        return self.base.replace(X=X, planted=planted)

    def normalized(self, code: NDArray[np.intp], effects: Doubles) -> Floats:
        """Normalize the spiked wells by the run's method, fitted on every row, (n_wells, n_features).

        One such normalization is a pass.
        """
        return self.normalize(self.spiked(code, effects))(None).X

    def by_yardstick(self, code: NDArray[np.intp], effects: Doubles) -> Floats:
        """Return the spiked wells as the yardstick normalizes them, (n_wells, n_features)."""
        rows = np.flatnonzero(code != UNSPIKED)
        X = self.yardstick.baseline.copy()
        X[rows] += self.yardstick.displacement(rows, self._added(rows, code, effects))
        return X

    def _added(self, rows: NDArray[np.intp], code: NDArray[np.intp], effects: Doubles) -> Doubles:
        """Return what is added to the raw profiles of ``rows``, (n_rows, n_features)."""
        return np.asarray(effects[code[rows]] * self.scale[self.plate[rows]])

    def displacement_by_plate(
        self, after: Floats, code: NDArray[np.intp], n_directions: int, *, baseline: Floats | None = None
    ) -> DisplacementSums:
        """Sum over each plate how far the run's method moves wells from the baseline when spikes are added."""
        noise = self.noise.residuals(after, code)
        before = self.baseline if baseline is None else baseline
        return sum_displacements(before, after, code, n_directions, self.base.wells, noise)

    def align_axes(self, before: Floats, after: Floats, code: NDArray[np.intp]) -> Floats:
        """Return the wells of one pass in the axes of another pass with sparse spikes, (n_wells, n_features).

        A method that is fitted again may turn its axes a little, which moves all wells and is no effect of a spike on
        its well. The linear map that reproduces most of that on unspiked wells is applied to all wells. If unspiked
        wells hardly move, or there are too many features to fit a map, wells are returned as they are.
        """
        rows = np.flatnonzero((code == UNSPIKED) & (self.base.wells["role"] != "empty").to_numpy(dtype=bool))
        source, target = before[rows], after[rows]
        unit = target.std(axis=0, dtype=np.float64)
        displacement = np.sqrt(np.square(target - source, dtype=np.float64).mean(axis=0))
        n_features = source.shape[1]
        if n_features > MOST_TURNED or len(rows) < 2 * n_features or (displacement <= TURNED * unit).all():
            return before
        centre = source.mean(axis=0, dtype=np.float64)
        change = np.linalg.lstsq(source - centre, target - target.mean(axis=0, dtype=np.float64), rcond=1e-6)[0]
        return np.asarray((before - centre) @ change + target.mean(axis=0), dtype=np.float32)

    def yardstick_displacement_by_plate(
        self, after: Floats, code: NDArray[np.intp], n_directions: int
    ) -> DisplacementSums:
        """Sum over each plate how far the yardstick moves wells from its baseline when spikes are added."""
        noise = self.noise.residuals(after, code)
        return sum_displacements(self.yardstick.baseline, after, code, n_directions, self.base.wells, noise)


def spike_in_experiment(context: AuditContext) -> SpikeInExperiment:
    """Return the experiment of a run, made once for all checks of a process.

    Raises
    ------
    NotApplicable : too few controls for a scale; no treated wells.
    """
    return cached_per_run(context, "spike-in experiment", lambda: _spike_in_experiment(context))


def _spike_in_experiment(context: AuditContext) -> SpikeInExperiment:
    """Prepare the experiment of a run."""
    raw = raw_wells(context)
    if len(raw) < 2:
        raise NotApplicable(
            f"{len(raw)} plate: effects are learned on one plate and measured on another", code="few_plates"
        )
    try:
        plate, scale = plate_control_sd(raw.X, raw.wells)
    except InputError as error:
        raise NotApplicable(str(error), code="few_controls") from error
    scale[scale <= 8 * np.finfo(np.float32).eps * np.abs(raw.X).max(axis=0, initial=0.0)] = 0.0
    if not spike_candidates(raw.wells).any():
        raise NotApplicable("no treated wells: there are none to spike", code="no_treated")
    plates = raw.wells.drop_duplicates("plate")
    n_controls = np.bincount(plate[raw.wells["role"] == "negcon"], minlength=len(plates))
    return SpikeInExperiment(
        base=raw,
        baseline=normalized_wells(context).X,
        normalize=context.normalize,
        scale=shrink_scale(scale, n_controls, pd.factorize(plates["batch"])[0]),
        plate=plate,
        noise=noise_wells(raw.wells, plate, context.seed),
        yardstick=spike_yardstick(context, plate),
    )
