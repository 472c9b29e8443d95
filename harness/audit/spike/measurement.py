"""What all spikes of a run share: its wells, normalized by its method and by the yardstick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext, BySplit
from harness.audit.shared.views import normalized_wells, once_per_run, raw_wells
from harness.audit.spike.design import UNSPIKED, candidates
from harness.audit.spike.noise import NoiseWells, noise_wells
from harness.audit.spike.scale import control_sd, plate_control_sd, steadied
from harness.audit.spike.sums import Moved, moved
from harness.audit.spike.yardstick import Yardstick, yardstick
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles

MOST_TURNED = 1000  # features of a linear map between two fits
TURNED = 0.2  # sd by which unspiked wells move if a method turns its axes


@dataclass(frozen=True, eq=False)
class SpikeInExperiment:
    """Wells of a screen, normalized without spikes, and what a spike does to them.

    Attributes
    ----------
    base : raw wells. plain : the same normalized by the run's method, (n_wells, n_features). normalize : that method.
    scale : (n_plates, n_features) control sd of the raw plates, 0 for features that do not vary there; ``plate``
        (n_wells,) the plate of each well. noise : wells that show the noise. yardstick : what to compare with.
    """

    base: Profiles
    plain: Floats
    normalize: Callable[[Profiles], BySplit]
    scale: Doubles
    plate: NDArray[np.intp]
    noise: NoiseWells
    yardstick: Yardstick

    @cached_property
    def treated(self) -> Mask:
        """Wells that may be spiked, (n_wells,)."""
        return candidates(self.base.wells)

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
        """Normalize the spiked wells by the run's method, fitted on every row, (n_wells, n_features): one pass."""
        return self.normalize(self.spiked(code, effects))(None).X

    def by_yardstick(self, code: NDArray[np.intp], effects: Doubles) -> Floats:
        """Return what the yardstick makes of the spiked wells, (n_wells, n_features)."""
        rows = np.flatnonzero(code != UNSPIKED)
        X = self.yardstick.plain.copy()
        X[rows] += self.yardstick.moved(rows, self._added(rows, code, effects))
        return X

    def _added(self, rows: NDArray[np.intp], code: NDArray[np.intp], effects: Doubles) -> Doubles:
        return np.asarray(effects[code[rows]] * self.scale[self.plate[rows]])

    def moved(self, after: Floats, code: NDArray[np.intp], n_directions: int, *, plain: Floats | None = None) -> Moved:
        """Sum the displacements from the plain to the spiked wells of the run's method."""
        noise = self.noise.residuals(after, code)
        return moved(self.plain if plain is None else plain, after, code, n_directions, self.base.wells, noise)

    def turned(self, before: Floats, after: Floats, code: NDArray[np.intp]) -> Floats:
        """Return one pass in the axes of another one with sparse spikes, (n_wells, n_features).

        A method that is fitted anew may turn its axes a little, which moves all wells and is no effect of a spike on
        its well: the linear map that does most of that to unspiked wells is applied to all. If
        unspiked wells hardly move, or there are too many features to fit a map, they are left as they are.
        """
        rows = np.flatnonzero((code == UNSPIKED) & (self.base.wells["role"] != "empty").to_numpy(dtype=bool))
        unspiked, turned = before[rows], after[rows]
        unit = turned.std(axis=0, dtype=np.float64)
        moves = np.sqrt(np.square(turned - unspiked, dtype=np.float64).mean(axis=0))
        n_features = unspiked.shape[1]
        if n_features > MOST_TURNED or len(rows) < 2 * n_features or (moves <= TURNED * unit).all():
            return before
        centre = unspiked.mean(axis=0, dtype=np.float64)
        change = np.linalg.lstsq(unspiked - centre, turned - turned.mean(axis=0, dtype=np.float64), rcond=1e-6)[0]
        return np.asarray((before - centre) @ change + turned.mean(axis=0), dtype=np.float32)

    def moved_by_yardstick(self, after: Floats, code: NDArray[np.intp], n_directions: int) -> Moved:
        """Sum the displacements that the yardstick makes."""
        noise = self.noise.residuals(after, code)
        return moved(self.yardstick.plain, after, code, n_directions, self.base.wells, noise)


def spike_in_experiment(context: AuditContext) -> SpikeInExperiment:
    """Return the bench of a run, remembered for all checks of a process.

    Raises
    ------
    NotApplicable : too few controls for a scale; no treated wells.
    """
    return once_per_run(context, "bench", lambda: _bench(context))


def _bench(context: AuditContext) -> SpikeInExperiment:
    raw = raw_wells(context)
    if len(raw) < 2:
        raise NotApplicable(f"{len(raw)} plate: effects are learned on one and measured on another", code="few_plates")
    try:
        plate, scale = plate_control_sd(raw.X, raw.wells)
    except InputError as error:
        raise NotApplicable(str(error), code="few_controls") from error
    scale[scale <= 8 * np.finfo(np.float32).eps * np.abs(raw.X).max(axis=0, initial=0.0)] = 0.0
    if not candidates(raw.wells).any():
        raise NotApplicable("no treated wells: there are none to spike", code="no_treated")
    plates = raw.wells.drop_duplicates("plate")
    n_controls = np.bincount(plate[raw.wells["role"] == "negcon"], minlength=len(plates))
    return SpikeInExperiment(
        base=raw,
        plain=normalized_wells(context).X,
        normalize=context.normalize,
        scale=steadied(scale, n_controls, pd.factorize(plates["batch"])[0]),
        plate=plate,
        noise=noise_wells(raw.wells, plate, context.seed),
        yardstick=yardstick(context, plate),
    )
