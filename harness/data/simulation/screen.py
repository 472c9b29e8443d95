"""Simulate a screen plate by plate: planted biology, and the technical effects that hide it.

The unit of a planted profile is the natural standard deviation of a control well. What plates share is drawn once; a
plate is drawn from streams of its own, so that plates can be made one at a time, in any order, in little memory.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats
from harness.data.columns.well_names import Position
from harness.data.simulation.biology import N_EFFECT, N_LATENT, Features, Library
from harness.data.simulation.layout import Ints, Layout, stream

SITE_LATENT, SITE_OWN = 0.5, 0.7  # sites of a well differ about as much as control wells do
LATENT_PART, OWN_PART = 0.8, 0.6  # of a technical shift: along latent axes, as biology; of each feature
BATCH_SHIFT, PLATE_SHIFT, OUTLIER_SHIFT = 1.2, 1.1, 5.0  # root mean square over features, in control sd
BATCH_GAIN, PLATE_GAIN = 0.2, 0.05  # log-normal sd of a feature's gain
GRADIENT, EDGE, PLATE_GRADIENT = 0.9, 0.9, 0.3  # at the first and last row or column; outer ring; log sd over plates
CLUSTER_SHARE, CLUSTER_SHIFT = 0.3, 1.5  # batches stained in two runs, the right half of each plate in the second
CELLS, DENSITY, SITE_COUNT, BATCH_COUNT = 90.0, 0.08, 0.15, 0.2  # cells a site; log change a unit of toxicity; log sd
MISSING_WELL, MISSING_SITE = 0.02, 0.005
ADDITIVE = ("batch", "plate", "row", "column", "edge", "cluster")


class SimulatedScreen:
    """Simulated screen.

    Parameters
    ----------
    layout : wells of the plates.
    features, library : the planted biology.
    n_sites : images of a well.
    effect : factor on every compound's effect: 1, or 0 for a screen without biology.
    technical : factor on every technical effect: 1, or 0 for a screen without any.
    """

    def __init__(
        self, *, seed: int, layout: Layout, features: Features, library: Library, n_sites: int, effect: float,
        technical: float,
    ) -> None:  # fmt: skip
        self.seed, self.layout, self.features, self.library = seed, layout, features, library
        self.n_sites, self.effect, self.technical = n_sites, effect, technical
        n_batches = int(layout.batch.max()) + 1
        order = stream(seed, "clusters").permutation(n_batches)
        self.clustered = np.isin(np.arange(n_batches), order[: int(np.ceil(CLUSTER_SHARE * n_batches))])
        self.outlier = int(stream(seed, "outlier").integers(len(layout.plates)))
        self._loadings = features.loadings.astype(np.float32)
        self._names = np.array([*layout.compounds, "DMSO"], dtype=object)

    def _shift(self, rng: np.random.Generator, size: float) -> Doubles:
        """Draw an additive technical effect on every feature, (n_features,), of root mean square about ``size``."""
        shared = rng.normal(size=N_LATENT) @ self.features.loadings
        shared /= np.sqrt((shared[self.features.ordinary] ** 2).mean())
        specific = rng.normal(size=len(shared)) * self.features.ordinary
        shift: Doubles = self.technical * size * (LATENT_PART * shared + OWN_PART * specific)
        return shift

    def hidden(self, plate: int) -> dict[str, Doubles]:
        """Return the technical effects on a plate, (n_features,): :data:`ADDITIVE` in control sd, and the ``gain``."""
        b = int(self.layout.batch[plate])
        batch_stream, plate_stream = stream(self.seed, "batch", b), stream(self.seed, "plate", plate)
        effects = {"batch": self._shift(batch_stream, BATCH_SHIFT)}
        effects["cluster"] = self._shift(batch_stream, CLUSTER_SHIFT) * self.clustered[b]
        for axis, size in (("row", GRADIENT), ("column", GRADIENT), ("edge", EDGE)):
            effects[axis] = self._shift(batch_stream, size) * np.exp(PLATE_GRADIENT * plate_stream.normal())
        effects["plate"] = self._shift(plate_stream, OUTLIER_SHIFT if plate == self.outlier else PLATE_SHIFT)
        n = len(self.features.names)
        log_gain = BATCH_GAIN * batch_stream.normal(size=n) + PLATE_GAIN * plate_stream.normal(size=n)
        effects["gain"] = np.exp(self.technical * log_gain * self.features.ordinary)
        return effects

    def plate(self, plate: int) -> tuple[Floats, pd.DataFrame, Floats]:
        """Return observed profiles (n, n_features), wells (n rows by well, then site) and planted profiles, like X."""
        row, column, compound, dose = self.layout.wells(plate, self.library.potent)
        n_wells, control = len(compound), compound < 0
        well, site = np.divmod(np.arange(n_wells * self.n_sites), self.n_sites)
        moved = np.where(control[:, None], 0.0, self.effect * self.library.latent[compound])
        natural, planted = self._planted(plate, well, moved)
        structure = np.where(control[:, None], 0.0, self.effect * self.library.rare[compound])[well]
        flicker = stream(self.seed, "structure", plate).normal(0, 0.2, structure.shape)
        planted[:, self.features.rare] = structure * np.exp(flicker)

        rng = stream(self.seed, "gaps", plate)
        present = (rng.random(n_wells) >= MISSING_WELL)[well] & (rng.random(len(well)) >= MISSING_SITE)
        planted = planted[present]
        toxicity: Doubles = (natural[:, 0] + moved[:, 0])[well].astype(np.float64)
        cells = self._cells(plate, toxicity)[present]
        well = well[present]
        place = [Position(int(r), int(c)).name for r, c in zip(row, column, strict=True)]
        wells = pd.DataFrame(
            {
                "plate": self.layout.plates[plate],
                "well": np.array(place, dtype=object)[well],
                "row": row[well],
                "column": column[well],
                "site": site[present] + 1,
                "batch": f"batch{self.layout.batch[plate] + 1:02d}",
                "role": np.where(control, "negcon", "treated").astype(object)[well],
                "compound": self._names[compound][well],
                "dose": dose[well],
                "cell_count": cells,
            }
        )
        return self._observed(plate, row[well], column[well], planted), wells, planted

    def _planted(self, plate: int, well: Ints, moved: Doubles) -> tuple[Floats, Floats]:
        """Draw natural states of the wells (n_wells, N_LATENT), planted profiles of the sites (n, n_features)."""
        shape = (len(moved), len(self.features.names))
        rng = stream(self.seed, "wells", plate)
        natural = rng.standard_normal((shape[0], N_LATENT), dtype=np.float32)
        state = natural.copy()
        state[:, : 1 + N_EFFECT] += moved.astype(np.float32)
        mean = rng.standard_normal(shape, dtype=np.float32)
        mean *= self.features.own.astype(np.float32)
        mean += state @ self._loadings
        rng = stream(self.seed, "sites", plate)
        fields = rng.standard_normal((len(well), N_LATENT), dtype=np.float32)
        planted = rng.standard_normal((len(well), shape[1]), dtype=np.float32)
        planted *= (SITE_OWN * self.features.ordinary).astype(np.float32)
        planted += (SITE_LATENT * fields) @ self._loadings
        planted += mean[well]
        return natural, planted

    def _observed(self, plate: int, row: Ints, column: Ints, planted: Floats) -> Floats:
        """Apply gains, shifts (which depend on plate and position only), raw scales and raw means to ``planted``."""
        effects, (rows, columns) = self.hidden(plate), self.layout.shape
        edge = (row == 1) | (row == rows) | (column == 1) | (column == columns)
        position = {
            "row": 2 * (row - 1) / (rows - 1) - 1,
            "column": 2 * (column - 1) / (columns - 1) - 1,
            "edge": edge,
            "cluster": column > columns // 2,
        }
        basis = np.column_stack([np.ones(len(row)), *position.values()]).astype(np.float32)
        shifts = [effects["batch"] + effects["plate"], *(effects[axis] for axis in position)]
        coefficients = np.stack(shifts) * self.features.scale
        coefficients[0] += self.features.mean
        X: Floats = planted * (effects["gain"] * self.features.scale).astype(np.float32)
        X += basis @ coefficients.astype(np.float32)
        return X

    def _cells(self, plate: int, toxicity: Doubles) -> Ints:
        """Draw the cells of each site, (n,): Poisson around a mean that falls with toxicity and differs by batch."""
        rng = stream(self.seed, "cells", plate)
        seeding = self.technical * stream(self.seed, "seeding", int(self.layout.batch[plate])).normal(0, BATCH_COUNT)
        expected = np.log(CELLS) + seeding - DENSITY * toxicity + rng.normal(0, SITE_COUNT, len(toxicity))
        cells: Ints = rng.poisson(np.exp(expected))
        return cells
