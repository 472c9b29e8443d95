"""An inferred assignment of plates to batches: tables, a sentence, and a file to edit and use again.

The round trip: of a run's artifacts, put the folder ``batch`` into a folder MINE. ``--config-dir MINE batch=found``
then uses ``MINE/batch/found.yaml``, which is ``batch=ranges`` with the ranges found: edit them to move a plate. Where
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
    """What was found.

    Attributes
    ----------
    method : of finding.
    plates : in order: plate, order (1, 2, ...), batch, stability (0 to 1), outlier, distance and the cutoff beyond
        which a plate is an outlier (robust sd), reason, n_controls, intensity (mean of scaled medians of intensity
        features, or NaN), component_1.
    boundaries : where the batch changes along the order: after_plate, before_plate, after_batch, before_batch,
        strength (squared error explained, in penalties), stability (share of resamples with a boundary right there).
    rand : mean adjusted Rand index of assignments of resampled control wells with this one.
    """

    method: str
    plates: pd.DataFrame
    boundaries: pd.DataFrame
    rand: float

    @property
    def outliers(self) -> list[str]:
        return list(self.plates.loc[self.plates["outlier"], "plate"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``inferred_batches`` and ``inferred_boundaries``."""
        return {"inferred_batches": self.plates, "inferred_boundaries": self.boundaries}

    def sentence(self) -> str:
        """Return what was found, in one line, and what can be done about it."""
        sizes = self.plates["batch"].value_counts(sort=False)
        n, plates = len(sizes), len(self.plates)
        if n == 1:
            text = (
                f"one batch: control profiles of {plates} plates show no change ({self.method}), so that none can be "
                "held out; use split=leave_plate_out, or name batches by batch=column or batch=ranges"
            )
        else:
            span = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
            text = f"{n} batches of {span} plates ({self.method}, stability {self.rand:.2f})"
        if self.outliers:
            listed = ",".join(f"'{name}'" for name in self.outliers)
            text += f"; outlier plates {preview(self.outliers)}, left out by data.exclude_plates=[{listed}]"
        return f"batch=inferred found {text}"

    @property
    def numbered(self) -> bool:
        """Whether every plate id holds one number, and no two the same: what ``batch=ranges`` goes by."""
        numbers = [_numbers(plate) for plate in self.plates["plate"]]
        return all(len(found) == 1 for found in numbers) and len({found[0] for found in numbers}) == len(numbers)

    def files(self) -> dict[str, str]:
        """Return content of ``batch/found.csv`` and, where plates are numbered, of ``batch/found.yaml``, by name."""
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
        """Return YAML of a member of ``conf/batch`` that assigns the same batches without finding them again."""
        spans = self.ranges()
        lines = [f"# {self.sentence()}", f"_target_: {RANGES}", "ranges:"]
        return "\n".join([*lines, *(f"  {name}: {spans[name]}" for name in spans), ""])


def _numbers(plate: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", plate)]
