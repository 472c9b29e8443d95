"""Prediction of the batch of treated wells with scikit-learn alone: evidence that does not come from the audit.

Treated wells of the simulated screen, which no method reads as a reference; whole plates held out, each fold with a
plate of every batch; balanced accuracy, chance 0.2.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.data.demo import Demo
from harness.norm.engine.normalize import normalize
from harness.settings.members import CONF

NORMS = (
    "raw", "dmso_within", "robust_within", "all_within", "quantile", "mean", "combat", "combat_nonparametric", "rank",
    "direct_standardization", "dmso_within_then_sphering", "coral", "tvn", "oracle", "noise",
)  # fmt: skip
PROBES = {
    "15 neighbours": KNeighborsClassifier(15),
    "trees": ExtraTreesClassifier(100, min_samples_leaf=3, random_state=0, n_jobs=2),
    "quadratic": QuadraticDiscriminantAnalysis(reg_param=0.1),
}


def accuracies(X: np.ndarray, wells: pd.DataFrame) -> list[float]:
    """Return the balanced accuracy of each probe with plates held out."""
    batch = wells["batch"].to_numpy()
    number = wells.groupby("batch")["plate"].transform(lambda plates: pd.factorize(plates)[0]).to_numpy()
    result = []
    for probe in PROBES.values():
        predicted = np.empty(len(batch), dtype=object)
        for fold in np.unique(number):
            model = make_pipeline(StandardScaler(), PCA(50, random_state=0), probe)
            predicted[number == fold] = model.fit(X[number != fold], batch[number != fold]).predict(X[number == fold])
        result.append(float(balanced_accuracy_score(batch, predicted.astype(str))))
    return result


def main() -> None:
    """Print a row for each normalization."""
    warnings.simplefilter("ignore")
    screen = Demo().profiles()
    print(f"| norm | {' | '.join(PROBES)} |\n|{'---|' * (1 + len(PROBES))}")
    for name in NORMS:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
            normalizer = instantiate(compose("config", overrides=[f"+norm={name}"]).norm, _convert_="all")
        normalized = normalize(screen, normalizer)
        treated = (normalized.wells["role"] == "treated").to_numpy()
        values = accuracies(normalized.X[treated], normalized.wells[treated].reset_index(drop=True))
        print(f"| `{name}` | {' | '.join(f'{value:.2f}' for value in values)} |", flush=True)


if __name__ == "__main__":
    main()
