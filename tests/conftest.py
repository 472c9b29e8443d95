from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import run_command
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from places import CONF
from shared import shared_folder
from threadpoolctl import threadpool_limits

from harness.core.evaluation import Evaluation, Split
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.tracking.tracking import Tracking

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script: children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW_FIXTURES = frozenset({"sweep", "sweep_copy"})  # a sweep that is audited takes a quarter of a minute
Member = Callable[..., Any]
Screen = Callable[..., Profiles]
Evaluated = Callable[..., Evaluation]


def make_screen(
    *,
    n_plates: int = 6,
    n_batches: int = 3,
    n_wells: int = 24,
    n_controls: int = 8,
    n_features: int = 10,
    sites: tuple[int, ...] = (1, 2, 3),
    awkward: bool = True,
    planted: bool = False,
    seed: int = 0,
) -> Profiles:
    """An uneven screen: features of unequal level, scale and tail; plates and batches shifted and stretched; unequal
    numbers of wells, controls and sites; rows of a plate in no order; a positive control and an empty well per plate.

    With ``awkward`` the first four features are: constant at 1e7 + 1 (float32), constant on controls only, constant on
    all controls but one per plate, and with one control per plate far off scale at 1e9.
    """
    rng = np.random.default_rng(seed)
    level, scale = rng.normal(0, 200, n_features), 10.0 ** rng.uniform(-2, 2, n_features)
    batch_shift = rng.normal(0, 3, (n_batches, n_features))
    parts, truths, tables = [], [], []
    for p in range(n_plates):
        b = p * n_batches // n_plates
        wells = [f"{chr(65 + i // 6)}{i % 6 + 1:02d}" for i in range(n_wells - p % 3)]
        role = np.array(["treated"] * len(wells), dtype=object)
        spread = rng.permutation(len(wells))
        role[spread[: n_controls + p % 2]] = "negcon"
        role[spread[-1]], role[spread[-2]] = "empty", "poscon"
        counts = np.resize(sites, len(wells))
        table = pd.DataFrame(
            {
                "plate": f"p{10 - p}",
                "well": wells,
                "row": [ord(w[0]) - 64 for w in wells],
                "column": [int(w[1:]) for w in wells],
                "batch": f"b{n_batches - b}",
                "role": role,
                "compound": np.where(role == "negcon", "DMSO", [f"c{(3 * i + p) % 7}" for i in range(len(wells))]),
                "dose": rng.choice([0.3, 1.0, 3.0], len(wells)),
                "cell_count": rng.integers(20, 90, len(wells)),
                "moa": rng.choice(["x", "y", "z"], len(wells)),
            }
        )
        table = table.loc[np.repeat(np.arange(len(wells)), counts)]
        table["site"] = table.groupby("well").cumcount() + 1
        table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
        truth = rng.standard_t(5, (len(table), n_features)) + (table["role"] == "treated").to_numpy()[:, None] * 0.7
        effect = batch_shift[b] + rng.normal(0, 1, n_features)
        X = level + scale * (effect + np.exp(rng.normal(0, 0.3, n_features)) * truth)
        if awkward:
            control = (table["role"] == "negcon").to_numpy()
            odd = (table["well"] == table.loc[control, "well"].min()).to_numpy()
            X[:, 0] = 1e7 + 1
            X[control, 1] = -37.3
            X[control & ~odd, 2] = 0.1
            X[odd, 3] = 1e9
        parts.append(X.astype(np.float32))
        truths.append(truth.astype(np.float32))
        tables.append(table)
    return Profiles(
        np.concatenate(parts),
        pd.concat(tables, ignore_index=True),
        planted=np.concatenate(truths) if planted else None,
        name="toy",
    )


def make_noise(
    *, n_plates: int = 12, n_batches: int = 4, n_wells: int = 48, k: int = 8, n_features: int = 60, seed: int = 0
) -> Profiles:
    """A screen without biology: Gaussian noise of one well each, ``k`` controls per plate among wells like them."""
    rng = np.random.default_rng(seed)
    X = 30 + 5 * rng.standard_normal((n_plates * n_wells, n_features))
    tables = []
    for p in range(n_plates):
        role = np.full(n_wells, "treated", dtype=object)
        role[rng.permutation(n_wells)[:k]] = "negcon"
        wells = [f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(n_wells)]
        table = {"plate": f"p{p:02d}", "well": wells, "batch": f"b{p * n_batches // n_plates}", "role": role}
        tables.append(pd.DataFrame(table))
    return Profiles(X.astype(np.float32), pd.concat(tables, ignore_index=True), name="noise")


def make_evaluation(
    y: Any, score: Any, *, threshold: Any = 0.5, plate: Any = "p1", batch: Any = "b1", fold: str = "f", seed: int = 0
) -> Evaluation:
    """Predictions as a metric sees them."""
    y = np.asarray(y, dtype=np.int8)
    wells = pd.DataFrame({"plate": plate, "batch": batch}, index=range(len(y)))
    wells["well"] = [f"w{i}" for i in range(len(y))]
    test = np.ones(len(y), dtype=bool)
    return Evaluation(y, np.asarray(score, dtype=np.float64), threshold, wells, Split(fold, ~test, test), seed)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)  # first, so that no process ends with one of them alone


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices: threads of linear algebra would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def member() -> Member:
    """``member("norm", "raw", "norm.x=1")``: what the command line would build, seeds resolved."""

    def make(group: str, name: str, *overrides: str) -> Any:
        choice = f"+norm={name}" if group == "norm" else f"{group}={name}"
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
            chosen = compose("config", overrides=[choice, "seed=3", *overrides])[group]
        if "_target_" not in chosen:  # groups that take a list of members
            chosen = chosen[name if name in chosen else next(iter(chosen))]
        return instantiate(chosen, _convert_="all")

    return make


@pytest.fixture(scope="session", name="screen")
def screen_factory() -> Screen:
    return make_screen


@pytest.fixture(scope="session")
def noise_screen() -> Screen:
    return make_noise


@pytest.fixture(scope="session")
def predicted() -> Evaluated:
    return make_evaluation


@pytest.fixture(scope="session")
def conf() -> Path:
    return CONF


@pytest.fixture(scope="session")
def demo() -> Profiles:
    """The tiny simulated screen with its planted truth."""
    return Demo(size="tiny").profiles()


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one small sweep, audited: raw, dmso_within and noise on the tiny simulated screen. Only read it."""
    options = ("data.size=tiny", "model=[logistic]", "figure=[plate_correlation,roc_pr,spike_in]", "n_resamples=50")

    def build(folder: Path) -> None:
        outcome = run_command(
            folder, "-m", "+norm=raw,dmso_within,noise", *options, "audit.batch_probe.n_permutations=5"
        )
        assert outcome.status == 0, outcome.err

    return shared_folder(tmp_path_factory, "sweep", build)


@pytest.fixture(scope="session")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(folder: Path) -> None:
        Tracking(uri=f"sqlite:///{folder}/mlflow.db").open()

    return shared_folder(tmp_path_factory, "database", build) / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, _database: Path) -> Path:
    """An empty folder but for a tracking database without runs: making its tables takes seconds."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(_database, tmp_path / "mlruns/mlflow.db")
    return tmp_path
