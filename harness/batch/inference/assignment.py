"""Result of batch inference: tables, a summary line, and a configuration file to edit and reuse.

The round trip: of a run's artifacts, put the folder ``batch`` into a folder MINE. ``--config-dir MINE batch=found``
then uses ``MINE/batch/found.yaml``, which is ``batch=ranges`` with the inferred ranges: edit them to move a plate. If
plate ids hold several numbers, or none, edit the column ``batch`` of ``found.csv`` and join it: ``batch=column`` with
``'data.metadata=[{path: MINE/batch/found.csv, on: {PLATE_COLUMN: plate}}]'`` (wide tables).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from harness.core.exceptions import InputError
from harness.utils.spreadsheet_csv import spreadsheet_csv
from harness.utils.text import preview

RANGES = "harness.batch.ranges.Ranges"


@dataclass(frozen=True)
class BatchInference:
    """Batches inferred from control wells.

    Attributes
    ----------
    method : ``changepoints`` or ``clustering``.
    plates : in order: plate, order (1, 2, ...), batch, stability (0 to 1), outlier, distance and the cutoff beyond
        which a plate is an outlier (robust sd), reason, n_controls, intensity (mean of scaled medians of intensity
        features, or NaN), component_1.
    boundaries : where the batch changes along the order: after_plate, before_plate, after_batch, before_batch,
        strength (squared error explained, in penalties), stability (share of resamples with this boundary).
    adjusted_rand : mean adjusted Rand index of this assignment with those of resampled control wells.
    """

    method: str
    plates: pd.DataFrame
    boundaries: pd.DataFrame
    adjusted_rand: float

    @property
    def outliers(self) -> list[str]:
        return list(self.plates.loc[self.plates["outlier"], "plate"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``inferred_batches`` and ``inferred_boundaries``."""
        return {"inferred_batches": self.plates, "inferred_boundaries": self.boundaries}

    def sentence(self) -> str:
        """Return the result in one line, with a remedy for a single batch or for outliers."""
        sizes = self.plates["batch"].value_counts(sort=False)
        n, plates = len(sizes), len(self.plates)
        if n == 1:
            text = (
                f"one batch: control profiles of {plates} plates show no change ({self.method}), so that none can be "
                "held out; use split=leave_plate_out, or name batches by batch=column or batch=ranges"
            )
        else:
            span = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
            text = f"{n} batches of {span} plates ({self.method}, stability {self.adjusted_rand:.2f})"
        if self.outliers:
            listed = ",".join(f"'{name}'" for name in self.outliers)
            text += f"; outlier plates {preview(self.outliers)}, left out by data.exclude_plates=[{listed}]"
        return f"batch=inferred found {text}"

    @property
    def numbered(self) -> bool:
        """Whether every plate id holds exactly one number and no two ids the same, as ``batch=ranges`` needs."""
        numbers = [_numbers(plate) for plate in self.plates["plate"]]
        return all(len(several) == 1 for several in numbers) and len({one for (one,) in numbers}) == len(numbers)

    def files(self) -> dict[str, str]:
        """Return the content of ``batch/found.csv`` and, if plates are numbered, of ``batch/found.yaml``, by name."""
        table = {"batch/found.csv": str(spreadsheet_csv(self.plates))}
        return {**table, "batch/found.yaml": self.member()} if self.numbered else table

    def ranges(self) -> dict[str, list[list[int]]]:
        """Return ``{batch: [[first, last], ...]}`` for :class:`harness.batch.ranges.Ranges`.

        Raises
        ------
        InputError : plate ids that do not hold one number each, or share one.
        """
        plates = self.plates["plate"]
        if not self.numbered:
            raise InputError(
                f"batch: ranges need one number of its own in each plate id, got {preview(plates)}; join the table of "
                "batches to the wells by data.metadata and use batch=column"
            )
        batch = self.plates["batch"]
        by_number = {_numbers(plate)[0]: name for plate, name in zip(plates, batch, strict=True)}
        runs: dict[str, list[list[int]]] = {name: [] for name in dict.fromkeys(batch)}
        last = None
        for number in sorted(by_number):
            name = by_number[number]
            if name == last:
                runs[name][-1][1] = number
            else:
                runs[name].append([number, number])
            last = name
        return runs

    def member(self) -> str:
        """Return the YAML of a member of ``conf/batch`` that assigns the same batches without inferring them again."""
        spans = self.ranges()
        lines = [f"# {self.sentence()}", f"_target_: {RANGES}", "ranges:"]
        return "\n".join([*lines, *(f"  {name}: {spans[name]}" for name in spans), ""])


def _numbers(plate: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", plate)]
