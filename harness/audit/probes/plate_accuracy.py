"""Whether not even plates can be told apart: then no batch can."""

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
    """Return balanced accuracy of the best probe that predicts the plate of held-out wells, 0 = chance and 1 =
    certainty.

    Each plate's wells are dealt over folds. The interval is that of independent wells of these plates; its upper bound
    is the largest over probes, its lower bound that of the best.
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
    chance, answers = 1 / n_plates, []
    count = np.bincount(wells.plate)
    for predict in prepared.values():
        right = np.zeros(n_plates)
        for number in range(N_FOLDS):
            test = np.arange(n_plates * N_FOLDS) % N_FOLDS == number
            actual = wells.plate[fold == number]
            right += np.bincount(actual[predict(plate_of, test) == actual], minlength=n_plates)
        recall = (right + 0.5) / (count + 1)  # never without an error
        half = t.ppf((1 + LEVEL) / 2, len(fold) - n_plates) * np.sqrt((recall * (1 - recall) / count).sum()) / n_plates
        value = (right / count).mean()
        answers.append([(x - chance) / (1 - chance) for x in (value, value - half, min(1.0, value + half))])
    value, lower, upper = np.max(answers, axis=0)
    return Finding("audit/batch_probe/controls/plates", float(value), float(lower), float(upper), n=len(wells.rows))
