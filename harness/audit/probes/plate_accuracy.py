"""Accuracy of predicting the plate of a well: if plates cannot be told apart, no batch can."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from harness.audit.probes.classifiers import probes
from harness.audit.probes.reduced_wells import reduce_wells
from harness.audit.probes.wells import ProbedWells
from harness.core.arrays import Floats
from harness.core.finding import Finding
from harness.core.seeding import derive, generator
from harness.scoring.bootstrap import LEVEL

N_FOLDS = 4


def plate_accuracy(wells: ProbedWells, X: Floats, seed: int) -> Finding:
    """Return the balanced accuracy of the best probe that predicts the plate of held-out wells, 0 (chance) to 1.

    Each plate's wells are dealt over folds. The interval is that of independent wells of these plates; value and bounds
    are each the largest over probes.
    """
    n_plates = len(wells.batch)
    fold = np.zeros(len(wells.rows), dtype=np.intp)
    for plate in range(n_plates):
        rows = np.flatnonzero(wells.plate == plate)
        fold[generator(seed, "plate folds", str(wells.table["plate"].iloc[rows[0]])).permutation(rows)] = (
            np.arange(len(rows)) % N_FOLDS
        )
    unit = wells.plate * N_FOLDS + fold
    prepared = probes(reduce_wells(X, unit, wells.group, n_plates * N_FOLDS), derive(seed, "trees"))
    plate_of = np.repeat(np.arange(n_plates), N_FOLDS)
    chance, estimates = 1 / n_plates, []
    count = np.bincount(wells.plate)
    for predict in prepared.values():
        n_correct = np.zeros(n_plates)
        for number in range(N_FOLDS):
            test = np.arange(n_plates * N_FOLDS) % N_FOLDS == number
            actual = wells.plate[fold == number]
            n_correct += np.bincount(actual[predict(plate_of, test) == actual], minlength=n_plates)
        recall = (n_correct + 0.5) / (count + 1)  # so that the error is never 0
        half_width = (
            t.ppf((1 + LEVEL) / 2, len(fold) - n_plates) * np.sqrt((recall * (1 - recall) / count).sum()) / n_plates
        )
        value = (n_correct / count).mean()
        estimates.append(
            [(x - chance) / (1 - chance) for x in (value, value - half_width, min(1.0, value + half_width))]
        )
    value, lower, upper = np.max(estimates, axis=0)
    return Finding("audit/batch_probe/controls/plates", float(value), float(lower), float(upper), n=len(wells.rows))
