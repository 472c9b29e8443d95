"""Methods whose fit needs no more than a summary of each plate: folds share those of plates that they have whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from harness.core.profiles import Plate, Profiles
from harness.norm.base import Normalizer
from harness.utils.parallel import n_threads, ordered


class PlateSummaryNormalizer(Normalizer):
    """``fit`` is :meth:`learn` of the summaries of its plates, by name and in their order.

    Summaries of whole plates are kept with the profiles, so that the next fold need not read these plates again.
    """

    def fit(self, plates: Sequence[Plate]) -> Self:
        if not isinstance(plates, Profiles):
            return self.learn({plate.name: self.summarize(plate) for plate in plates})
        with ThreadPoolExecutor(n_threads()) as pool:
            return self.learn(dict(ordered(pool, lambda rows: self._one(plates, rows), plates._present, n_threads())))

    @abstractmethod
    def summarize(self, plate: Plate) -> Any:
        """Return what the fit needs to know of a plate; must not depend on settings."""

    @abstractmethod
    def learn(self, summaries: Mapping[str, Any]) -> Self:
        """Return fit from :meth:`summarize` of each plate."""

    def glance(self, profiles: Profiles, plate: Plate) -> None:
        profiles._facts[self._key(plate.name)] = self.summarize(plate)

    def _key(self, plate: str) -> tuple[str, str]:
        return type(self).__qualname__, plate

    def _one(self, shown: Profiles, rows: slice) -> tuple[str, Any]:
        name = str(shown._table(rows)["plate"].iloc[0])
        whole = shown._mask is None or bool(shown._mask[rows].all())
        key = self._key(name)
        if whole and key in shown._facts:
            return name, shown._facts[key]
        plate = shown._select(rows)
        assert plate is not None
        summary = self.summarize(plate)
        if whole:
            shown._facts[key] = summary
        return name, summary
