"""``data=demo``: a simulated screen whose truth is known, made plate by plate, without a download."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.simulation.biology import Features, Library
from harness.data.simulation.layout import Layout
from harness.data.simulation.platemaps import PlatemapLayout
from harness.data.simulation.scenario import SCENARIOS, SIZES, Scenario, Size, choose, lay_out
from harness.data.simulation.screen import ADDITIVE, SimulatedScreen
from harness.settings.annotated_types import Count, FileName, Seed, Share
from harness.settings.limits import Between, OneOf
from harness.utils.hashing import source_hash

SOURCES = ("harness.data.demo", "harness.data.simulation", "harness.data.columns.well_names")


class Demo:
    """Source of a simulated screen.

    Parameters
    ----------
    scenario : ``balanced`` (compounds in random wells, replicates across batches), ``null`` (no biology),
        ``phenotype_rich`` (80-95% of the wells active on half of the plates), ``confounded`` (share of controls and
        of actives follows the batch, effects are 1.3 times as strong), ``fixed_layout`` (same compound, same well,
        every plate), ``no_batch_effect``.
    size : ``tiny``, ``small`` (20 plates), ``medium`` (80), ``bray2017`` (405 plates x 384 wells x 6 images x 4,096
        features: 15.3 GB).
    seed : of all random choices; scenarios of one seed share all choices that they do not change.
    platemaps : a folder with ``barcode_platemap.csv`` and ``platemap/*.txt`` for a real layout; its controls stand
        in the same wells on every plate. Plates and wells are those of the maps, batches lie between the widest
        gaps in the plate numbers. Only for scenarios that do not prescribe a layout of their own.
    n_batches, plates_per_batch, wells_per_plate, n_controls, n_sites, n_features, share_active : in place of the
        size's numbers.
    exclude_plates : plates that :func:`harness.store.store.load` leaves out.

    Raises
    ------
    InputError : unknown scenario or size, impossible numbers, unusable plate maps.
    """

    def __init__(
        self,
        *,
        scenario: Annotated[str, OneOf(*SCENARIOS)] | None = "balanced",
        size: Annotated[str, OneOf(*SIZES)] = "small",
        seed: Seed = 0,
        platemaps: FileName | None = None,
        n_batches: Count | None = None,
        plates_per_batch: Count | None = None,
        wells_per_plate: Count | None = None,
        n_controls: Count | None = None,
        n_sites: Count | None = None,
        n_features: Annotated[int, Between(10, 1_000_000)] | None = None,
        share_active: Share | None = None,
        exclude_plates: str | int | Sequence[str | int] | None = (),
    ) -> None:
        self.exclude_plates = exclude_plates  # left out by harness.store.store.load
        self.scenario = "null" if scenario is None else scenario  # YAML and Hydra read the word null as None
        self.size, self.seed, self.platemaps = size, seed, platemaps
        self.numbers = {
            "n_batches": n_batches,
            "plates_per_batch": plates_per_batch,
            "wells_per_plate": wells_per_plate,
            "n_controls": n_controls,
            "n_sites": n_sites,
            "n_features": n_features,
            "share_active": share_active,
        }

    @property
    def name(self) -> str:
        return f"demo {self.scenario} {self.size}"

    def key(self) -> dict[str, object]:
        """Return parameters, and hashes of source code and plate maps: everything that the content depends on."""
        source = source_hash(*SOURCES)
        maps = None
        if self.platemaps is not None:
            root = Path(self.platemaps)
            files = [root / "barcode_platemap.csv", *sorted((root / "platemap").glob("*.txt"))]
            parts = [f.name.encode() + b"\0" + f.read_bytes() for f in files if f.is_file()]
            maps = hashlib.sha256(b"\0".join(parts)).hexdigest()
        scenario, size = self._chosen
        numbers = {**asdict(scenario), **asdict(size)}
        return {
            "reader": "demo",
            "scenario": self.scenario,
            "seed": self.seed,
            "numbers": {k: list(v) if isinstance(v, tuple) else v for k, v in numbers.items()},
            "source": source,
            "platemaps": maps,
        }

    def features(self) -> list[str]:
        """Return unique feature names, in the order of the columns."""
        return list(self._screen.features.names)

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats]]:
        """Yield plates in order, one at a time: X (n, n_features) float32, wells (n rows), planted (n, n_features)."""
        for plate in range(len(self._screen.layout.plates)):
            yield self._screen.plate(plate)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the truth: ``compounds``, ``assays`` (1, 0, NaN), ``plates`` (size of each technical effect, root mean
        square over ordinary features in control sd, before gain), ``features`` (kind, raw mean and scale)."""
        screen = self._screen
        features, library = screen.features, screen.library
        kind = np.where((features.kind == "constant_on_controls") & (screen.effect == 0), "constant", features.kind)
        return {
            "compounds": library.compounds(screen.effect),
            "assays": library.assays(),
            "plates": pd.DataFrame([self._plate_truth(p) for p in range(len(screen.layout.plates))]),
            "features": pd.DataFrame(
                {"feature": features.names, "kind": kind, "mean": features.mean, "scale": features.scale}
            ),
        }

    def n_bytes(self) -> int:
        """Return the size of X and planted together if no well were missing."""
        screen = self._screen
        n_rows = len(screen.layout.plates) * math.prod(screen.layout.shape) * screen.n_sites
        return 2 * 4 * n_rows * len(screen.features.names)

    def profiles(self) -> Profiles:
        """Return the whole screen in memory; for ``bray2017`` stream :meth:`plates` instead (31 GB with the truth)."""
        X, wells, planted = zip(*self.plates(), strict=True)
        return Profiles(
            np.concatenate(X),
            pd.concat(wells, ignore_index=True),
            features=self.features(),
            planted=np.concatenate(planted),
            name=self.name,
        )

    def _plate_truth(self, plate: int) -> dict[str, object]:
        screen = self._screen
        b = int(screen.layout.batch[plate])
        effects = screen.hidden(plate)
        size = {f"{a}_shift": float(np.sqrt((effects[a][screen.features.ordinary] ** 2).mean())) for a in ADDITIVE}
        return {
            "plate": screen.layout.plates[plate],
            "batch": f"batch{b + 1:02d}",
            "outlier": plate == screen.outlier and screen.technical > 0,
            "clusters": 2 if screen.clustered[b] and screen.technical > 0 else 1,
            **size,
        }

    @cached_property
    def _chosen(self) -> tuple[Scenario, Size]:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"data.seed={self.seed!r}: expected a whole number, at least 0")
        scenario, size = choose(self.scenario, self.size, self.numbers)
        decided = [k for k in ("plates_per_batch", "wells_per_plate", "n_controls") if self.numbers[k] is not None]
        if self.platemaps is not None and (decided or scenario.lays_out):
            setting = f"data.{decided[0]}" if decided else f"data.scenario={self.scenario}"
            raise InputError(f"{setting} asks for a layout, data.platemaps gives one: drop one of the two")
        return scenario, size

    @cached_property
    def _screen(self) -> SimulatedScreen:
        scenario, size = self._chosen
        layout: Layout
        if self.platemaps is None:
            layout, shares = lay_out(scenario, size, self.seed)
        else:
            layout = PlatemapLayout(self.platemaps, n_batches=len(size.plates_in))
            shares = np.full(int(layout.maps.max()) + 1, size.share_active)
        features = Features(self.seed, size.n_features)
        return SimulatedScreen(
            seed=self.seed,
            layout=layout,
            features=features,
            library=Library(self.seed, layout, features, shares),
            n_sites=size.n_sites,
            effect=scenario.effect,
            technical=scenario.technical,
        )
