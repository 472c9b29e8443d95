"""What all spikes of a run share: its wells, normalized by its method and by the yardstick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext, BySplit
from harness.audit.components import once
from harness.audit.shared.views import normalized_wells, raw_wells
from harness.audit.spike.design import UNSPIKED, candidates
from harness.audit.spike.noise import NoiseWells, noise_wells
from harness.audit.spike.scale import control_sd, plate_control_sd
from harness.audit.spike.sums import Moved, moved
from harness.norm.dmso_within import DmsoWithin
from harness.norm.exchange import FEW_CONTROLS, control_wells
from harness.norm.normalize import normalize
from harness.types import Doubles, Floats, InputError, Mask, NotApplicable, Profiles


@dataclass(frozen=True, eq=False)
class Bench:
    """Wells of a screen, normalized without spikes, and what a spike does to them.

    Attributes
    ----------
    base : raw wells. plain : the same normalized by the run's method, (n_wells, n_features). normalize : that method.
    scale : (n_plates, n_features) control sd of the raw plates, 0 for features that do not vary there; ``plate``
        (n_wells,) the plate of each well. noise : wells that show the noise.
    """

    base: Profiles
    plain: Floats
    normalize: Callable[[Profiles], BySplit]
    scale: Doubles
    plate: NDArray[np.intp]
    noise: NoiseWells

    @cached_property
    def treated(self) -> Mask:
        """Wells that may be spiked, (n_wells,)."""
        return candidates(self.base.wells)

    @cached_property
    def yardstick(self) -> str:
        """``dmso_within``, or ``raw`` if a plate has fewer than 8 controls: their sd is too noisy to divide by."""
        fewest = min(len(control_wells(plate)) for plate in self.base)
        return "dmso_within" if fewest >= FEW_CONTROLS else "raw"

    @cached_property
    def yardstick_plain(self) -> Floats:
        """The wells without spikes by the yardstick, (n_wells, n_features)."""
        return self._by_yardstick(self.base)

    @cached_property
    def gain(self) -> Floats:
        """How far the yardstick moves a well if each raw feature moves by one control sd of its plate.

        (n_wells, n_features). It is affine on every plate with factors that only control wells decide, and these are
        not spiked: so no spike needs a pass of its own.
        """
        step = self.scale.astype(np.float32)[self.plate]
        if self.yardstick == "raw":
            return step
        X = self.base.X + step * self.treated[:, None]
        return self._by_yardstick(self.base.replace(X=X)) - self.yardstick_plain

    def _by_yardstick(self, profiles: Profiles) -> Floats:
        if self.yardstick == "raw":
            return profiles.X
        return normalize(profiles.replace(planted=None), DmsoWithin()).X

    def spiked(self, code: NDArray[np.intp], effects: Doubles) -> Profiles:
        """Add ``effects`` (n_directions, n_features), in control sd of each plate, to the wells of their ``code``."""
        rows = np.flatnonzero(code != UNSPIKED)
        X = self.base.X.copy()
        X[rows] += (effects[code[rows]] * self.scale[self.plate[rows]]).astype(np.float32)
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
        X = self.yardstick_plain.copy()
        X[rows] += (effects[code[rows]] * self.gain[rows]).astype(np.float32)
        return X

    def moved(self, after: Floats, code: NDArray[np.intp], n_directions: int) -> Moved:
        """Sum the displacements from the plain to the spiked wells of the run's method."""
        noise = self.noise.residuals(after, code)
        return moved(self.plain, after, code, n_directions, self.base.wells, noise)

    def moved_by_yardstick(self, after: Floats, code: NDArray[np.intp], n_directions: int) -> Moved:
        """Sum the displacements that the yardstick makes."""
        noise = self.noise.residuals(after, code)
        return moved(self.yardstick_plain, after, code, n_directions, self.base.wells, noise)


def bench(context: AuditContext) -> Bench:
    """Return the bench of a run, remembered for all checks of a process.

    Raises
    ------
    NotApplicable : too few controls for a scale; no treated wells.
    """
    return once(context.profiles, ("bench", context.seed), lambda: _bench(context))


def _bench(context: AuditContext) -> Bench:
    raw = raw_wells(context)
    try:
        plate, scale = plate_control_sd(raw.X, raw.wells)
    except InputError as error:
        raise NotApplicable(str(error), code="few_controls") from error
    scale[scale <= 8 * np.finfo(np.float32).eps * np.abs(raw.X).max(axis=0, initial=0.0)] = 0.0
    if not candidates(raw.wells).any():
        raise NotApplicable("no treated wells: there are none to spike", code="no_treated")
    noise = noise_wells(raw.wells, plate, context.seed)
    return Bench(raw, normalized_wells(context).X, context.normalize, scale, plate, noise)
