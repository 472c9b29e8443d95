"""Time of many assays on many wells, and what sharing saves: scaling once per fold against once per assay and fold.

    python experiments/assay_activity/speed.py
    python experiments/assay_activity/speed.py --model lightgbm --assays 209 --sample 3 --binning

Labels have the shape and sparsity of the 10,574 compounds x 209 assays of Hofmarcher et al. 2019 (the matrix itself is
read where HARNESS_SHARED_DATA has it; only which entries are labelled, and how, is used). Synthetic profiles: 4 wells
a compound, 5 batches with compounds of their own, controls beside them. Every batch is held out once.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy.io import mmread
from threadpoolctl import threadpool_limits

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation, Split
from harness.core.profiles import Profiles
from harness.metric.auroc import Auroc
from harness.model.shared_transform import FullPipelineLearner, make_learner
from harness.scoring.evaluate import evaluate_groups
from harness.scoring.score_table_multilabel import score_groups
from harness.split.leave_batch_out import LeaveBatchOut

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HARNESS_SHARED_DATA", ROOT.parent / "shared" / "data"))
MATRIX = SHARED / "bray2017" / "assay-labels" / "label-matrix.mtx"
SHAPE, N_LABELS, SHARE_ACTIVE = (10_574, 209), 55_542, 0.347
BATCHES, WELLS = 5, 4


class Table:
    """Task with labels from a matrix: row c is compound number c."""

    name, unit = "assay_activity", "compound"

    def __init__(self, Y: Doubles) -> None:
        self.Y = Y
        self.groups = tuple(f"assay{i:03d}" for i in range(Y.shape[1]))

    def labels(self, wells: pd.DataFrame) -> Doubles:
        """Return the labels of the wells, (n_wells, n_assays)."""
        number = wells["number"].to_numpy()
        return np.where(number[:, None] >= 0, self.Y[number], np.nan)

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        """Accept every fold."""


def label_matrix(compounds: int, assays: int) -> tuple[Doubles, str]:
    """Return labels of 1, 0 and NaN, (compounds, assays): a corner of the real matrix or an imitation; and which."""
    rng = np.random.default_rng(0)
    if MATRIX.exists():
        dense = mmread(MATRIX).toarray().astype(float)
        Y, origin = np.select([dense > 0, dense < 0], [1.0, 0.0], np.nan), "the real matrix"
        Y = Y[rng.permutation(len(Y))]
    else:
        weight = rng.lognormal(0, 1, SHAPE[1])
        is_labelled = rng.random(SHAPE) < np.minimum(1, N_LABELS * weight / weight.sum() / SHAPE[0])
        Y = np.where(is_labelled, (rng.random(SHAPE) < SHARE_ACTIVE).astype(float), np.nan)
        origin = "an imitation of the matrix"
    return Y[:compounds, :assays], origin


def make_profiles(Y: Doubles, features: int) -> Profiles:
    """Make compounds in 5 batches, 4 wells each, 64 controls per 320 wells; each assay has its own direction."""
    rng = np.random.default_rng(1)
    effect = rng.standard_normal((len(Y), 20), dtype=np.float32)
    effect[:, : min(20, Y.shape[1])] += np.nan_to_num(2 * Y[:, :20] - 1)
    number = np.concatenate([np.repeat(compounds, WELLS) for compounds in np.array_split(np.arange(len(Y)), BATCHES)])
    batch = np.concatenate(
        [
            np.full(WELLS * len(compounds), f"b{b}")
            for b, compounds in enumerate(np.array_split(np.arange(len(Y)), BATCHES))
        ]
    )
    table = pd.DataFrame({"number": number, "batch": batch, "role": "treated"})
    controls = pd.DataFrame({"number": -1, "batch": batch[::5], "role": "negcon"})
    table = pd.concat([table, controls]).sort_values("batch", kind="stable").reset_index(drop=True)
    place = table.groupby("batch").cumcount()
    table["plate"] = table["batch"] + "p" + (place // 384).map("{:03d}".format)
    table["well"] = "w" + (place % 384).map("{:03d}".format)
    table["compound"] = table["number"].map("c{:05d}".format).where(table["number"] >= 0, "DMSO")
    X = rng.standard_normal((len(table), features), dtype=np.float32)
    compound_number = table["number"].to_numpy()
    X[compound_number >= 0] += effect[compound_number[compound_number >= 0]] @ rng.normal(
        0, 0.2, (20, features)
    ).astype(np.float32)
    X *= rng.lognormal(0, 1, features).astype(np.float32)
    X += rng.normal(0, 20, features).astype(np.float32)
    return Profiles(X, table)


def clocked(do: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result of ``do``, its wall seconds and its CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = do()
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def evaluate_shared(
    profiles: Profiles, splits: list[Split], task: Table, model: Any
) -> tuple[list[Evaluation], dict[str, Any]]:
    """Evaluate all assays with shared scaling; also return the assays that were declined, by fold."""
    evaluations: list[Evaluation] = []
    declined: dict[str, Any] = {}
    for split in splits:
        done = evaluate_groups(profiles, split, task, model)
        evaluations += done.evaluations
        declined[split.name] = done.declined
        print(f"  {split.name}: {len(done.evaluations)} assays, {len(done.declined)} declined", flush=True)
    return evaluations, declined


def per_assay(
    profiles: Profiles, splits: list[Split], task: Table, model: Any, columns: list[int]
) -> dict[Any, Doubles]:
    """Fit whole models on the labelled wells of one assay; return scores of held-out wells by fold and assay."""
    scores, Y = {}, task.labels(profiles.wells)
    for split in splits:
        for column in columns:
            y = Y[:, column]
            train, test = split.train & ~np.isnan(y), split.test & ~np.isnan(y)
            if test.any() and len(np.unique(y[train])) == 2:
                answer = FullPipelineLearner(model, profiles).predict(train, y[train].astype(np.int8), test)
                scores[split.name, column] = answer[0]
    return scores


def assert_equal_where_alike(profiles: Profiles, split: Split, task: Table, model: Any, column: int) -> None:
    """Assert that sharing changes nothing if there are labelled wells only."""
    y = task.labels(profiles.wells)[:, column]
    is_labelled = ~np.isnan(y)
    labelled, train, test, y = (
        profiles.take(is_labelled),
        split.train[is_labelled],
        split.test[is_labelled],
        y[is_labelled].astype(np.int8),
    )
    learners = (
        make_learner(model, labelled, train, test, np.ones(len(y), dtype=bool)),
        FullPipelineLearner(model, labelled),
    )
    shared_scores, own_scores = (learner.predict(train, y[train], test)[0] for learner in learners)
    np.testing.assert_allclose(shared_scores, own_scores, rtol=1e-5)


def binning(profiles: Profiles, model: Any, y: Doubles) -> None:
    """Time LightGBM on the labelled wells of one assay, with bins of its own and with those of all wells."""
    rows = np.flatnonzero(~np.isnan(y))
    classifier = model[-1]
    params = {k: v for k, v in classifier.get_params().items() if v is not None}
    rounds = params.pop("n_estimators")
    for unused in ("class_weight", "importance_type"):
        params.pop(unused, None)
    params["objective"] = "binary"
    all_wells, _, cpu_binning = clocked(lambda: lgb.Dataset(profiles.X, params=params, free_raw_data=False).construct())
    weight = np.where(y[rows] == 1, 0.5 / np.mean(y[rows]), 0.5 / (1 - np.mean(y[rows])))

    def subset() -> Any:
        data = all_wells.subset(rows).construct()
        data.set_label(y[rows])
        data.set_weight(weight)
        return lgb.train(params, data, rounds)

    _, _, cpu_own = clocked(lambda: classifier.fit(profiles.X[rows], y[rows]))
    _, _, cpu_common = clocked(subset)
    print(f"bins: {cpu_binning:.1f} CPU s once for {len(profiles.X):,} wells; on {len(rows):,} wells of an assay, "
          f"{cpu_common:.2f} CPU s with common bins against {cpu_own:.2f} with its own")  # fmt: skip


def main() -> None:
    """Time the assays with and without sharing, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assays", type=int, default=SHAPE[1])
    parser.add_argument("--compounds", type=int, default=SHAPE[0])
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--model", default="logistic", help="a member of conf/model")
    parser.add_argument("--sample", type=int, default=15, help="assays fitted without sharing, for comparison")
    parser.add_argument("--binning", action="store_true", help="also time LightGBM with shared bins")
    options = parser.parse_args()
    with initialize_config_dir(config_dir=str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=["+norm=raw", f"model=[{options.model}]"])
    model = instantiate(cfg.model[options.model], _convert_="all")
    Y, origin = label_matrix(options.compounds, options.assays)
    task, profiles = Table(Y), make_profiles(Y, options.features)
    splits = list(LeaveBatchOut().split(profiles.wells))
    print(
        f"{Y.shape[0]:,} compounds x {Y.shape[1]} assays, {np.isfinite(Y).sum():,} labels, {np.nanmean(Y):.1%} active "
        f"({origin}); {len(profiles.X):,} wells x {options.features:,} features; {len(splits)} folds; {options.model}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    with threadpool_limits(1):
        (evaluations, declined), wall, cpu = clocked(lambda: evaluate_shared(profiles, splits, task, model))
        print(f"evaluated {len(evaluations)} assays x folds: {wall:.0f} s wall, {cpu:.0f} CPU s")
        (scores, _), wall_score, cpu_score = clocked(lambda: score_groups(evaluations, [Auroc()], declined=declined))
        over = scores[(scores["group"] == "") & (scores["over"] == "mean")].set_index("metric").loc["auroc"]
        print(
            f"scored AUROC, 500 resamples: {wall_score:.0f} s wall, {cpu_score:.0f} CPU s: mean over {over['n']} "
            f"assays {over['value']:.3f} [{over['lower']:.3f}, {over['upper']:.3f}]"
        )
        columns = np.unique(np.linspace(0, Y.shape[1] - 1, options.sample).astype(int)).tolist()
        assay_scores, _, cpu_alone = clocked(lambda: per_assay(profiles, splits, task, model, columns))
        cpu_for_all = cpu_alone / len(assay_scores) * len(evaluations)
        print(
            f"{len(columns)} assays with nothing shared: {cpu_alone:.1f} CPU s in {len(assay_scores)} fits, about "
            f"{cpu_for_all:.0f} CPU s for all (extrapolated) against {cpu:.0f} shared"
        )
        assert_equal_where_alike(profiles, splits[0], task, model, columns[-1])
        if options.binning:
            binning(profiles, model, task.labels(profiles.wells)[:, int(np.isfinite(Y).sum(axis=0).argmax())])
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
