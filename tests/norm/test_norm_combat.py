from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Doubles, Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.norm.combat import Combat
from harness.norm.combat_nonparametric import CombatNonparametric
from harness.norm.engine.normalize import normalize

pytestmark = pytest.mark.slow

Both = pytest.mark.parametrize("method", [Combat, CombatNonparametric])


def brute_force(
    X: Doubles,
    batch: Any,
    C: Doubles,
    *,
    reference: str | None = None,
    mean_only: bool = False,
) -> Doubles:
    """Johnson's parametric ComBat of rows X (n, G) as published: full design, one feature and one batch at a time."""
    names = sorted(set(batch))
    D = np.column_stack([*[(batch == b).astype(float) for b in names], C])
    out = np.empty_like(X)
    coefficient = np.linalg.lstsq(D, X - X[0], rcond=None)[0]
    coefficient[: len(names)] += X[0]
    fitted = D @ coefficient
    share = np.array([(batch == b).mean() for b in names])
    rows = np.ones(len(X), dtype=bool) if reference is None else batch == reference
    level = share @ coefficient[: len(names)] if reference is None else coefficient[names.index(reference)]
    sigma = np.sqrt(((X - fitted) ** 2)[rows].mean(axis=0))
    keep = level + C @ coefficient[len(names) :]
    Z = (X - keep) / sigma
    for b in names:
        z = Z[batch == b]
        n = len(z)
        ghat, dhat = z.mean(axis=0), np.ones(X.shape[1]) if mean_only else z.var(axis=0, ddof=1)
        gbar, t2 = ghat.mean(), ghat.var(ddof=1)
        m, s2 = dhat.mean(), dhat.var(ddof=1)
        star = np.zeros(X.shape[1]), np.ones(X.shape[1])
        for g in range(X.shape[1] if b != reference else 0):
            gamma, delta = ghat[g], dhat[g]
            for _ in range(10_000):
                last = gamma, delta
                gamma = (n * t2 * ghat[g] + delta * gbar) / (n * t2 + delta)
                if not mean_only:
                    a, beta = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
                    delta = (beta + ((z[:, g] - gamma) ** 2).sum() / 2) / (n / 2 + a - 1)
                if abs(gamma - last[0]) < 1e-9 and abs(delta - last[1]) < 1e-9:
                    break
            star[0][g], star[1][g] = gamma, delta
        out[batch == b] = sigma * (z - star[0]) / np.sqrt(star[1]) + keep[batch == b]
    return out


def rows(profiles: Profiles, method: Any, split: Split | None = None) -> Floats:
    return normalize(profiles, method, split, aggregate="none").X


def hold_out(profiles: Profiles, *batches: str) -> Split:
    test = well_table(profiles.wells)["batch"].isin(batches).to_numpy()
    return Split("f", ~test, test)


def assert_close(got: Floats, expected: Doubles) -> None:
    """To 1e-6 of the features' sd, and a few roundings of float32: features lie up to 2,500 sd from 0."""
    assert (np.abs(got - expected) <= 1e-6 * expected.std(axis=0) + 4e-7 * np.abs(expected)).all()


def unlike(expected: Doubles, got: Floats, sd: Doubles) -> float:
    """Largest difference in units of the features' sd."""
    return float((np.abs(got - expected) / sd).max())


@pytest.fixture(scope="module")
def plain(screen: Any) -> Profiles:
    """Three uneven batches, several sites a well, no awkward features, two numeric covariates and a category."""
    profiles = screen(awkward=False, n_plates=5, n_features=8, seed=2)
    rng = np.random.default_rng(1)
    wells = profiles.wells.assign(
        age=rng.normal(50, 9, len(profiles.wells)), line=rng.choice(["A549", "U2OS", "HeLa"], len(profiles.wells))
    )
    X = profiles.X + (profiles.X.std(axis=0) * (0.05 * wells["age"].to_numpy()[:, None])).astype(np.float32)
    return profiles.replace(X=X, wells=wells)


def design(wells: pd.DataFrame) -> Doubles:
    return np.column_stack([wells["age"], wells["line"] == "A549", wells["line"] == "U2OS"]).astype(float)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"mean_only": True},
    {"reference_batch": "b2"},
    {"reference_batch": "b2", "mean_only": True},
    {"covariates": ["age", "line"]},
    {"covariates": ["age", "line"], "reference_batch": "b3"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_filled_rows_are_as_published(plain: Profiles, options: dict[str, Any]) -> None:
    filled = (plain.wells["role"] != "empty").to_numpy()
    wells = plain.wells[filled]
    C = design(wells) if "covariates" in options else np.empty((len(wells), 0))
    X = plain.X[filled].astype(np.float64)
    of = {"reference": options.get("reference_batch"), "mean_only": options.get("mean_only", False)}
    expected = brute_force(X, wells["batch"].to_numpy(), C, **of)
    got = rows(plain, Combat(scope="transductive", **options))[filled]
    assert_close(got, expected)
    assert unlike(X, got, X.std(axis=0)) > 0.1
    if options.get("reference_batch"):
        same = (wells["batch"] == options["reference_batch"]).to_numpy()
        exact = "covariates" not in options
        np.testing.assert_allclose(got[same], plain.X[filled][same], rtol=0 if exact else 1e-6)


def test_training_batches_do_not_depend_on_the_scope(plain: Profiles) -> None:
    np.testing.assert_array_equal(rows(plain, Combat()), rows(plain, Combat(scope="transductive")))


@pytest.mark.parametrize("covariates", [[], ["age", "line"]], ids=["plain", "covariates"])
def test_equal_to_neurocombat(plain: Profiles, covariates: list[str]) -> None:
    """Its iteration stops at a relative change of 1e-4 (of signed values): 2e-3 sd is what that leaves here."""
    neurocombat = pytest.importorskip("neuroCombat").neuroCombat
    filled = (plain.wells["role"] != "empty").to_numpy()
    X, wells = plain.X[filled].astype(np.float64), plain.wells[filled].reset_index(drop=True)
    columns = {"categorical_cols": ["line"], "continuous_cols": ["age"]} if covariates else {}
    expected = neurocombat(X.T, wells[["batch", "line", "age"]], "batch", **columns)["data"].T
    got = rows(plain, Combat(scope="transductive", covariates=covariates))[filled]
    assert unlike(expected, got, X.std(axis=0)) < 2e-3


def test_the_mean_only_form_of_neurocombat_is_ours_for_batches_of_one_row(plain: Profiles) -> None:
    """It shrinks g* as if each batch had one row; ours counts the rows, and leaves less of the shift."""
    neurocombat = pytest.importorskip("neuroCombat").neuroCombat
    filled = (plain.wells["role"] != "empty").to_numpy()
    X, wells = plain.X[filled].astype(np.float64), plain.wells[filled].reset_index(drop=True)
    theirs = neurocombat(X.T, wells[["batch"]], "batch", mean_only=True)["data"].T
    got = rows(plain, Combat(scope="transductive", mean_only=True))[filled]
    batch, sd = wells["batch"].to_numpy(), X.std(axis=0)
    spread = [np.ptp([(Y[batch == b] / sd).mean(axis=0) for b in set(batch)], axis=0).mean() for Y in (X, theirs, got)]
    assert spread[2] < 0.1 * spread[1] < 0.1 * spread[0], spread


@pytest.mark.parametrize(("on_constant", "word"), [("centre", "centred"), ("leave", "left alone")])
def test_features_constant_in_a_batch_lose_batch_means_only_and_leave_the_others_alone(
    plain: Profiles, on_constant: Any, word: str
) -> None:
    X = plain.X.copy()
    within = (plain.wells["batch"] == "b2").to_numpy()
    X[:, 3] = 1e7 + 1
    X[within, 5] = -0.1
    awkward = plain.replace(X=X)
    Z = rows(awkward, Combat(on_constant=on_constant))
    if on_constant == "leave":
        np.testing.assert_array_equal(Z[:, [3, 5]], X[:, [3, 5]])
    else:
        assert not Z[:, 3].any()
        assert not Z[within, 5].any()
        for batch in ("b1", "b3"):
            own = (plain.wells["batch"] == batch).to_numpy()
            mean = X[own & (plain.wells["role"] != "empty").to_numpy(), 5].mean(dtype=np.float64)
            np.testing.assert_allclose(Z[own, 5], X[own, 5] - mean, rtol=1e-5, atol=1e-5)
    others = [0, 1, 2, 4, 6, 7]
    without = Profiles(np.ascontiguousarray(X[:, others]), plain.wells)
    np.testing.assert_array_equal(Z[:, others], rows(without, Combat()))
    tables: list[pd.DataFrame] = []
    normalize(awkward, Combat(on_constant=on_constant), report=tables.append)
    assert tables[0]["feature_number"].tolist() == [3, 5]
    assert set(tables[0]["fallback"]) == {word}


def test_a_reference_batch_stays_as_it_is_and_constant_features_of_others_come_to_its_level(plain: Profiles) -> None:
    X, batch = plain.X.copy(), plain.wells["batch"].to_numpy()
    X[:, 2] = np.select([batch == "b1", batch == "b2"], [0.1, 0.7], 3.3)
    Z = rows(plain.replace(X=X), Combat(reference_batch="b2"))
    np.testing.assert_array_equal(Z[batch == "b2"], X[batch == "b2"])
    np.testing.assert_array_equal(Z[:, 2], np.float32(0.7))


def test_a_feature_constant_in_an_unseen_batch_too_lies_at_0_there(plain: Profiles) -> None:
    X, batch = plain.X.copy(), plain.wells["batch"].to_numpy()
    X[:, 2] = np.select([batch == "b1", batch == "b2"], [0.1, 1 / 3], 1e7 + 1)
    table = well_table(plain.wells)
    test = (table["batch"] == "b1").to_numpy()
    Z = normalize(plain.replace(X=X), Combat(), Split("b1", ~test, test), aggregate="none").X
    assert not Z[:, 2].any()


@Both
def test_features_without_variance_among_the_controls_of_an_unseen_batch_are_reported(
    method: Any, plain: Profiles
) -> None:
    """2: constant on all controls of b2; 4: one control well differs, so that it is constant in the folds without that
    well; 6: constant on the controls of training. All vary over the treated wells, so that none is left alone."""
    wells = plain.wells
    control, unseen = (wells["role"] == "negcon").to_numpy(), (wells["batch"] == "b2").to_numpy()
    odd = wells[control & unseen].iloc[0]
    X = plain.X.copy()
    X[control & unseen, 2] = 31.7
    X[control & unseen & ~((wells["plate"] == odd["plate"]) & (wells["well"] == odd["well"])).to_numpy(), 4] = -0.1
    X[control & ~unseen, 6] = 5.5
    awkward, split = plain.replace(X=X), hold_out(plain, "b2")

    def reported(**options: Any) -> pd.DataFrame:
        tables: list[pd.DataFrame] = []
        normalize(awkward, method(**options), split, report=tables.append)
        columns = ["plate", "feature_number", "fallback", "share"]
        return pd.concat([pd.DataFrame(columns=columns), *tables])[columns]

    found = reported()
    assert set(zip(found["plate"], found["fallback"], strict=True)) == {("batch b2", "pooled scale")}
    share = dict(zip(found["feature_number"], found["share"], strict=True))
    assert share == {2: 1.0, 4: pytest.approx(1 / 5), 6: 1.0}
    assert reported(exchangeable=False)["feature_number"].tolist() == [2, 6]
    assert len(reported(mean_only=True)) == len(reported(scope="transductive")) == 0


@Both
def test_an_unseen_batch_lands_where_training_batches_land(method: Any) -> None:
    """The held-out batch is a training batch, shifted and scaled; controls lie 2 sd off the treated wells."""
    rng = np.random.default_rng(0)
    n, G = 3000, 100
    role = np.where(np.arange(n) % 3 == 0, "negcon", "treated")
    parts, tables = [], []
    truth = rng.standard_normal((n, G)) * rng.gamma(9, 0.1, G) + 2.0 * (role == "negcon")[:, None]
    for b in range(4):
        own = truth if b in (0, 3) else rng.permuted(truth.reshape(n // 3, 3, G), axis=0).reshape(n, G)
        scale = rng.gamma(9, 0.1, G)
        parts.append(100 + rng.normal(0, 1.5, G) + scale * own)
        tables.append(pd.DataFrame({"plate": f"p{b}", "well": range(n), "batch": f"b{b}", "role": role}))
    wells = pd.concat(tables, ignore_index=True).astype({"well": str})
    profiles = Profiles(np.concatenate(parts).astype(np.float32), wells)
    split = hold_out(profiles, "b3")
    Z = rows(profiles, method(exchangeable=False), split)
    sd = Z[:n].std(axis=0)
    far = np.abs(Z[-n:] - Z[:n]) / sd
    shift = np.abs(Z[-n:].mean(axis=0) - Z[:n].mean(axis=0)) / sd
    folds = np.abs(rows(profiles, method(), split) - Z)[-n:] / sd
    if method is Combat:  # 1,000 controls: 0.03 sd of the mean, and of the scale times |z| <= 6
        assert far.max() < 0.3
        assert shift.max() < 0.1
        assert folds.max() < 0.3
    else:  # a feature takes the estimates of the one most like it: some have no like
        assert np.median(far) < 0.2
        assert np.median(shift) < 0.2
        assert np.median(folds) < 0.2
    naive = np.abs(profiles.X[-n:].mean(axis=0) - profiles.X[:n].mean(axis=0)) / sd
    assert naive.mean() > 0.8


@Both
def test_a_control_of_an_unseen_batch_does_not_move_its_own_reference(method: Any, screen: Any) -> None:
    profiles = screen(awkward=False, n_plates=6, sites=(2,))
    split = hold_out(profiles, "b1")
    wells = profiles.wells
    control = wells[(wells["batch"] == "b1") & (wells["role"] == "negcon")].iloc[0]
    own = ((wells["plate"] == control["plate"]) & (wells["well"] == control["well"])).to_numpy()
    sd = profiles.X.std(axis=0)
    X = profiles.X.copy()
    X[own] += (3 * sd).astype(np.float32)
    before, after = rows(profiles, method(), split), rows(profiles.replace(X=X), method(), split)
    fitted = method().fit(profiles.where((wells["batch"] != "b1").to_numpy()))
    adapted = fitted.adapt(profiles.where(((wells["batch"] == "b1") & (wells["role"] == "negcon")).to_numpy()))
    assert vars(fitted)["gamma_"].keys() == {"b2", "b3"}
    rate = (after[own] - before[own]) / (3 * sd)
    slopes = 1 / np.sqrt(adapted.delta_["b1"])
    assert np.isclose(rate[None], slopes[:, None], rtol=1e-3).all(axis=(1, 2)).sum() == 1
    held_out = (wells["batch"] == "b1").to_numpy()
    moved = (np.abs(after - before) / sd).max(axis=1) > 1e-3
    assert moved[held_out & ~own].mean() > 0.5
    assert not moved[~held_out].any()


def shifted_noise(noise_screen: Any, seed: int, **size: Any) -> Profiles:
    """Pure noise whose batches are shifted and scaled, so that the priors are wide; correlated features."""
    profiles = noise_screen(seed=seed, **size)
    rng = np.random.default_rng([seed, 7])
    _, G = profiles.X.shape
    mix = np.eye(G) + 0.5 * rng.standard_normal((G, G)) / np.sqrt(G)
    X = (profiles.X - 30) / 5 @ mix
    code = pd.factorize(profiles.wells["batch"])[0]
    n = code.max() + 1
    X = X * rng.gamma(9, 1 / 9, (n, G))[code] + rng.normal(0, 1.5, (n, G))[code]
    return profiles.replace(X=(30 + 5 * X).astype(np.float32))


def null_aurocs(profiles: Profiles, method: Any) -> tuple[float, float]:
    """Held-out AUROC of treated against control: distance to the held-out centre of treated wells, and logistic."""
    norm, logistic = [], []
    for batch in profiles.wells["batch"].unique():
        split = hold_out(profiles, batch)
        Z = rows(profiles, method, split).astype(np.float64)
        y = (profiles.wells["role"] == "treated").to_numpy()
        centre, sd = Z[split.train].mean(axis=0), Z[split.train].std(axis=0)
        F = ((Z - centre) / sd) ** 2
        norm.append(roc_auc_score(y[split.test], F[split.test].sum(axis=1)))
        model = LogisticRegression(C=0.01, class_weight="balanced").fit(F[split.train], y[split.train])
        logistic.append(roc_auc_score(y[split.test], model.decision_function(F[split.test])))
    return float(np.mean(norm)), float(np.mean(logistic))


@Both
def test_no_signal_is_made_of_noise_and_the_textbook_form_makes_some(method: Any, noise_screen: Any) -> None:
    """4 screens x 5 batches of one plate, 8 controls of 48 wells; tolerance: 4 standard errors of Mann & Whitney."""
    size = {"n_plates": 5, "n_batches": 5, "n_wells": 48, "k": 8, "n_features": 40}
    tolerance = 4 * np.sqrt(49 / (12 * 8 * 40 * 20))
    assert tolerance < 0.11
    screens = [shifted_noise(noise_screen, seed, **size) for seed in range(4)]
    default = np.mean([null_aurocs(s, method()) for s in screens], axis=0)
    assert (np.abs(default - 0.5) < tolerance).all(), default
    textbook = np.mean([null_aurocs(s, method(exchangeable=False)) for s in screens], axis=0)
    assert textbook[0] > 0.5 + tolerance, textbook
    transductive = np.mean([null_aurocs(s, method(scope="transductive")) for s in screens], axis=0)
    assert (np.abs(transductive - 0.5) < tolerance).all(), transductive


@Both
def test_a_batch_of_one_plate_and_fitted_statistics_that_can_be_saved(method: Any, screen: Any) -> None:
    profiles = screen(n_plates=3, n_batches=3)
    fitted = method(covariates=["cell_count"]).fit(profiles)
    assert np.isfinite(np.concatenate([fitted.transform(plate) for plate in profiles])).all()

    def plain_values(value: Any) -> bool:
        if dataclasses.is_dataclass(value):
            return all(plain_values(getattr(value, f.name)) for f in dataclasses.fields(value))
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain_values(v) for k, v in value.items())
        if isinstance(value, list | tuple):
            return all(map(plain_values, value))
        return value is None or isinstance(value, np.ndarray | float | int | bool | str)

    assert all(plain_values(v) for name, v in vars(fitted).items() if name.endswith("_"))


@pytest.mark.parametrize("label", ["role", "compound", "moa"])
def test_a_label_as_covariate_is_refused_with_the_reason(plain: Profiles, label: str) -> None:
    with pytest.raises(InputError, match=r"label.*writes it into the profiles"):
        Combat(covariates=[label]).fit(plain)


@pytest.mark.parametrize(
    "values",
    [lambda w: w["role"].map({"negcon": "vehicle"}).fillna("drug"), lambda w: (w["role"] != "negcon") * w["dose"]],
)
def test_a_label_under_another_name_is_refused_too(plain: Profiles, values: Any) -> None:
    wells = plain.wells.assign(other=values(plain.wells))
    with pytest.raises(InputError, match="'other' tells the negative controls from all other wells"):
        Combat(covariates=["age", "other"]).fit(plain.replace(wells=wells))


def refusals() -> list[Any]:
    def one_batch(p: Profiles) -> Profiles:
        return p.where((p.wells["batch"] == "b1").to_numpy())

    def one_row(p: Profiles) -> Profiles:
        first = np.flatnonzero((p.wells["batch"] == "b3") & (p.wells["role"] == "treated"))[0]
        return p.take(((p.wells["batch"] != "b3") | (p.wells.index == first)).to_numpy())

    def with_column(**columns: Any) -> Any:
        return lambda p: p.replace(wells=p.wells.assign(**{n: f(p.wells) for n, f in columns.items()}))

    def same(p: Profiles) -> Profiles:
        return p

    return [
        ({}, one_batch, r"lie in one batch, \['b1'\], at least 2"),
        ({}, one_row, "batch 'b3' has 1 filled rows, at least 2 .*mean_only=true"),
        ({"scope": "train"}, same, "scope is 'train'; choose one of .*transductive"),
        ({"n_folds": 1}, same, "n_folds is 1; expected at least 2"),
        ({"reference_batch": "b9"}, same, r"reference_batch 'b9' is not among .*\['b1', 'b2', 'b3'\]"),
        ({"covariates": ["weight"]}, same, "'weight' is not a column"),
        ({"covariates": ["plate"]}, same, "'plate' is collinear with the batches"),
        (
            {"covariates": ["age", "twice"]},
            with_column(twice=lambda w: 2 * w["age"] + w["batch"].map({"b1": 1.0, "b2": 5.0, "b3": -2.0})),
            "'twice' is collinear with the batches",
        ),
        ({"covariates": ["one"]}, with_column(one=lambda _: 1.0), "'one' is collinear"),
        (
            {"covariates": ["age"]},
            with_column(age=lambda w: w["age"].where(w.index != 7)),
            "'age' has no value for plate 'p10' well .*1 rows in all",
        ),
    ]


@pytest.mark.parametrize(("options", "change", "message"), refusals())
def test_unmet_needs_are_one_line(plain: Profiles, options: Any, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Combat(**options).fit(change(plain))
    assert "\n" not in str(error.value)


def test_one_row_is_enough_for_the_mean(plain: Profiles) -> None:
    first = np.flatnonzero((plain.wells["batch"] == "b3") & (plain.wells["role"] == "treated"))[0]
    few = plain.take(((plain.wells["batch"] != "b3") | (plain.wells.index == first)).to_numpy())
    assert np.isfinite(rows(few, Combat(mean_only=True))).all()


def test_an_unseen_batch_needs_controls_and_known_levels(plain: Profiles) -> None:
    wells = plain.wells
    unseen = (wells["batch"] == "b1").to_numpy()
    fitted = Combat(covariates=["line"]).fit(plain.where(~unseen))
    assert fitted.adapt([]) is fitted
    assert fitted.adapt(plain.where((wells["batch"] == "b2").to_numpy())) is fitted
    plate = next(iter(plain.where(unseen)))
    with pytest.raises(InputError, match="of batch 'b1', which has neither training rows nor controls"):
        fitted.transform(plate)
    control = unseen & (wells["role"] == "negcon").to_numpy()
    two = wells.loc[control, "well"].unique()[:2]
    few = control & wells["well"].isin(two).to_numpy() & (wells["plate"] == plate.name).to_numpy()
    with pytest.raises(InputError, match=r"batch 'b1' has no training rows and 2 negative control wells, at least 3"):
        fitted.adapt(plain.where(few))
    other = plain.replace(wells=wells.assign(line=wells["line"].where(~control, "new")))
    with pytest.raises(InputError, match=r"'line': 'new'.* that no training row has"):
        fitted.adapt(other.where(control))
    treated = Combat().fit(plain.where(~unseen & (wells["role"] != "negcon").to_numpy()))
    with pytest.raises(InputError, match="training batches 0 rows of controls"):
        treated.adapt(plain.where(control))


def test_empty_wells_may_lack_covariates(plain: Profiles) -> None:
    empty = (plain.wells["role"] == "empty").to_numpy()
    gaps = plain.replace(wells=plain.wells.assign(age=plain.wells["age"].where(~empty)))
    method = Combat(covariates=["age"])
    np.testing.assert_array_equal(rows(gaps, method)[~empty], rows(plain, method)[~empty])
    assert np.isfinite(rows(gaps, method)).all()
