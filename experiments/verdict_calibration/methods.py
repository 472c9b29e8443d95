"""The normalizations of the calibration by name: the project's, and destroyers, harmless maps and cheats on top of one.

Those stand behind ``dmso_within``: else batches decide, and nothing is seen of what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from experiments.verdict_calibration import cheats, destroyers, harmless, naive, subtle_destroyers
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.chain import Chain
from harness.norm.combat import Combat
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean
from harness.norm.raw import Raw
from harness.norm.robust_within import RobustWithin
from harness.norm.well_mean import WellMean
from harness.norm.well_position import WellPosition

Make = Callable[[], Normalizer]

PROJECT: dict[str, Make] = {
    "raw": Raw,
    "dmso_within": DmsoWithin,
    "dmso_within_textbook": partial(DmsoWithin, exchangeable=False, on_constant="leave"),
    "robust_within": RobustWithin,
    "all_within": AllWithin,
    "mean": Mean,
    "mean_in_float32": naive.MeanInFloat32,
    "well_mean": WellMean,
    "well_position": WellPosition,
    "combat": Combat,
    "dmso_across": DmsoAcross,
}
DESTROYERS: dict[str, Make] = {
    "one_axis": destroyers.OneAxis,
    "three_components": destroyers.FewComponents,
    "strongest_hidden": destroyers.StrongestHidden,
    "one_batch_flattened": destroyers.OneBatchFlattened,
    "averaged": destroyers.Averaged,
    "noise_added": destroyers.Noise,
    "clipped": destroyers.Clipped,
    "tanh": destroyers.Tanh,
    "clipped_mildly": partial(destroyers.Clipped, limit=1.0),
    "tanh_mildly": partial(destroyers.Tanh, scale=1.0),
    "one_batch_shuffled": subtle_destroyers.OneBatchShuffled,
    "archetypes": subtle_destroyers.Archetypes,
    "quiet_axes_dropped": subtle_destroyers.QuietAxesDropped,
    "small_values_zeroed": subtle_destroyers.SmallValuesZeroed,
}
HARMLESS: dict[str, Make] = {
    "rotated": harmless.Rotated,
    "constants_added": harmless.ConstantsAdded,
    "asinh": harmless.Asinh,
    "signed_power": harmless.SignedPower,
    "repeats_dropped": harmless.RepeatsDropped,
    "nearly_all_components": harmless.NearlyAllComponents,
    "waves": harmless.Waves,
    "rounded": harmless.Rounded,
    "other_units": harmless.OtherUnits,
}
CHEATS: dict[str, Make] = {
    "by_compound": cheats.ByCompound,
    "by_compound_apart": partial(cheats.ByCompound, apart=True),
    "by_role": cheats.ByRole,
    "by_column": cheats.ByColumn,
    "by_usual_place": cheats.ByUsualPlace,
}


def method(name: str) -> Normalizer:
    """Return the normalization called ``name``, the destroyers, harmless maps and cheats behind ``dmso_within``.

    Raises
    ------
    KeyError : no such name.
    """
    if name in PROJECT:
        return PROJECT[name]()
    return Chain(steps=[DmsoWithin(), {**DESTROYERS, **HARMLESS, **CHEATS}[name]()])
