"""Methods whose fit needs no more than a summary of each plate: folds share the summaries of whole plates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from harness.core.plate import Plate
from harness.core.plate_sequence import PlateSequence
from harness.norm.base import Normalizer
from harness.utils.parallel import n_threads, ordered


class PlateSummaryNormalizer(Normalizer):
    """A normalizer whose ``fit`` is :meth:`fit_summaries` of the summaries of its plates, by name and in their order.

    Summaries of whole plates are cached with the profiles, so that the next fold need not read these plates again.
    """

    def fit(self, plates: Sequence[Plate]) -> Self:
        if not isinstance(plates, PlateSequence):
            return self.fit_summaries({plate.name: self.summarize_plate(plate) for plate in plates})
        with ThreadPoolExecutor(n_threads()) as pool:
            summaries = ordered(pool, lambda rows: self._summary_at(plates, rows), plates.visible_slices, n_threads())
            return self.fit_summaries(dict(summaries))

    @abstractmethod
    def summarize_plate(self, plate: Plate) -> Any:
        """Return what the fit needs to know of a plate; must not depend on settings."""

    @abstractmethod
    def fit_summaries(self, summaries: Mapping[str, Any]) -> Self:
        """Fit to the results of :meth:`summarize_plate`, by name of the plate."""

    def observe_plate(self, plates: PlateSequence, plate: Plate) -> None:
        """Summarize a whole plate that is in memory, so that ``fit``, which comes later, need not read it."""
        self._cached_summary(plates, plate.name, lambda: plate)

    def _summary_at(self, plates: PlateSequence, rows: slice) -> tuple[str, Any]:
        name = str(plates.facts.of_plate(rows).table["plate"].iloc[0])

        def read() -> Plate:
            plate = plates.plate_at(rows)
            assert plate is not None
            return plate

        if plates.shows_all_of(rows):
            return name, self._cached_summary(plates, name, read)
        return name, self.summarize_plate(read())

    def _cached_summary(self, plates: PlateSequence, name: str, read: Callable[[], Plate]) -> Any:
        key = "summary", type(self).__qualname__, name
        return plates.origin.cached(key, lambda: self.summarize_plate(read()))
