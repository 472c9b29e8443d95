from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, shuffled
from scipy.stats import spearmanr

from harness.audit.known_effects import KnownEffects
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.verdict import Verdict
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.norm.all_within import AllWithin
from harness.norm.dmso_within import DmsoWithin
from harness.norm.noise import Noise

KEY = "audit/known_effects"
N = 40


def strength(i: int) -> float:
    """Return the planted strength of compound i; the last third do nothing."""
    return max(0.0, 2.0 - 0.075 * i)


def graded(*, seed: int = 0, doses: bool = False) -> Profiles:
    """8 plates in 3 batches, 6 to 8 controls; 40 compounds on 4 plates each, graded by :func:`strength`; plates are
    stretched up to twofold. With ``doses`` each copy of a compound has a dose of its own and works accordingly."""
    rng = np.random.default_rng(seed)
    level, scale = 10 ** rng.uniform(0, 4, 30), 10 ** rng.uniform(-2, 2, 30)
    direction = rng.standard_normal((N, 30))
    on = [rng.choice(8, 4, replace=False) for _ in range(N)]
    parts, tables = [], []
    for p in range(8):
        here = [-1] * (6 + p % 3) + [i for i in range(N) if p in on[i]]
        code = np.array(here)[rng.permutation(len(here))]
        dose = np.array([1.0 if i < 0 else 10.0 ** list(on[i]).index(p) for i in code])
        factor = (np.log10(dose) + 1) / 3 if doses else np.ones(len(code))
        effect = np.array([0.0 if i < 0 else strength(i) for i in code]) * factor
        x = rng.standard_normal((len(code), 30)) + effect[:, None] * direction[code]
        parts.append(level + scale * (rng.normal(0, 2, 30) + 2 ** rng.uniform(-1, 1) * x))
        tables.append(
            pd.DataFrame(
                {
                    "plate": f"p{p}", "well": [f"A{w:02d}" for w in range(len(code))], "batch": f"b{p // 3}",
                    "role": np.where(code < 0, "negcon", "treated"), "dose": dose,
                    "compound": ["DMSO" if i < 0 else f"c{i:02d}" for i in code],
                    "cell_count": np.round(200 * (1 + p) * np.exp(-0.5 * effect + rng.normal(0, 0.05, len(code)))),
                }
            )
        )  # fmt: skip
    return Profiles(np.concatenate(parts).astype(np.float32), pd.concat(tables, ignore_index=True), name="graded")


def known(tmp_path: Path, score: Callable[[int], float] = strength, **settings: Any) -> KnownEffects:
    table = pd.DataFrame({"compound": [f"c{i:02d}" for i in range(N)], "score": [score(i) for i in range(N)]})
    table.to_csv(tmp_path / "scores.csv", index=False)
    return KnownEffects(path=str(tmp_path / "scores.csv"), **settings)


def predictions(p: Profiles, score: np.ndarray) -> list[Evaluation]:
    everything = np.ones(len(p.wells), dtype=bool)
    y = (p.wells["role"] == "treated").to_numpy().astype(np.int8)
    return [Evaluation(y, score, 0.5, p.wells, Split("f", ~everything, everything))]


def test_a_planted_order_is_found_and_normalization_sharpens_it(audited: Any, tmp_path: Path) -> None:
    found = by_key(known(tmp_path).findings(audited(graded(), DmsoWithin())))
    for measure in ("raw_distance", "distance"):
        assert found[f"{KEY}/{measure}/spearman"].lower > 0.3
        assert found[f"{KEY}/{measure}/spearman"].n == N
    gain = found[f"{KEY}/distance_minus_raw/spearman"]
    assert gain.lower > 0
    a, b = (found[f"{KEY}/{measure}/spearman"].value for measure in ("distance", "raw_distance"))
    assert gain.value == pytest.approx(a - b)
    assert found[f"{KEY}/compounds"].reason == "40 of 40 compounds of the screen have a known score"


def test_noise_loses_it_and_the_interval_of_the_loss_says_so(audited: Any, tmp_path: Path) -> None:
    found = by_key(known(tmp_path).findings(audited(graded(), Noise())))
    assert found[f"{KEY}/distance/spearman"].lower < 0 < found[f"{KEY}/distance/spearman"].upper
    assert found[f"{KEY}/distance_minus_raw/spearman"].upper < 0


def test_a_score_that_has_nothing_to_do_with_it_has_an_interval_over_zero(audited: Any, tmp_path: Path) -> None:
    unrelated = np.random.default_rng(9).permutation(N)
    found = by_key(known(tmp_path, lambda i: float(unrelated[i])).findings(audited(graded(), DmsoWithin())))
    for measure in ("raw_distance", "distance", "distance_minus_raw", "cell_count"):
        finding = found[f"{KEY}/{measure}/spearman"]
        assert finding.lower < 0 < finding.upper


def test_order_of_wells_and_plates_changes_nothing(audited: Any, tmp_path: Path) -> None:
    check, p = known(tmp_path), graded()
    assert list(check.findings(audited(p, AllWithin()))) == list(check.findings(audited(shuffled(p), AllWithin())))


def test_a_higher_score_for_weaker_compounds_turns_the_sign(audited: Any, tmp_path: Path) -> None:
    found = by_key(known(tmp_path, lambda i: -strength(i)).findings(audited(graded(), DmsoWithin())))
    assert found[f"{KEY}/distance/spearman"].upper < -0.3
    assert found[f"{KEY}/cell_count/spearman"].lower > 0.3


def test_held_out_probabilities_of_models_and_baselines_by_compound(audited: Any, tmp_path: Path) -> None:
    p = graded()
    rng = np.random.default_rng(1)
    score = rng.uniform(size=len(p.wells))
    constant = np.full(len(score), 0.8)
    assay = [replace(e, group="assay_7") for e in predictions(p, score)]
    evaluations = {
        ("dmso_vs_treated", "logistic"): predictions(p, score),
        ("dmso_vs_treated", "baseline_prior"): predictions(p, constant),
        ("assay_activity", "logistic"): assay,
    }
    found = by_key(known(tmp_path).findings(audited(p, evaluations=evaluations)))
    treated = p.wells.assign(score=score)[p.wells["role"] == "treated"]
    median = treated.groupby("compound")["score"].median()
    expected = spearmanr(median, [strength(int(name[1:])) for name in median.index])[0]
    assert found[f"{KEY}/dmso_vs_treated_logistic/spearman"].value == pytest.approx(expected)
    assert np.isnan(found[f"{KEY}/dmso_vs_treated_baseline_prior/spearman"].value)
    assert "one value for all 40 compounds" in found[f"{KEY}/dmso_vs_treated_baseline_prior/spearman"].reason
    assert not [key for key in found if "assay_activity" in key]


def test_cell_count_is_relative_to_the_controls_of_the_plate(audited: Any, tmp_path: Path) -> None:
    p = graded()
    found = by_key(known(tmp_path).findings(audited(p, DmsoWithin())))
    assert found[f"{KEY}/cell_count/spearman"].upper < -0.6  # absolute counts differ eightfold between plates
    assert found[f"{KEY}/cell_count_distance/spearman"].upper < -0.3
    without = by_key(known(tmp_path).findings(audited(p.replace(wells=p.wells.drop(columns="cell_count")))))
    assert without[f"{KEY}/cell_count/spearman"].reason == "no cell count is known (column cell_count)"
    assert f"{KEY}/cell_count_distance/spearman" not in without


def test_doses_are_compared_within_compounds_too(audited: Any) -> None:
    found = by_key(KnownEffects(column="dose").findings(audited(graded(doses=True), DmsoWithin())))
    assert found[f"{KEY}/distance/spearman"].n == 4 * N
    within = found[f"{KEY}/distance/within_compound"]
    assert within.n == N
    assert within.lower > 0.2
    assert found[f"{KEY}/distance_minus_raw/within_compound"].n == N
    none = by_key(KnownEffects(column="dose").findings(audited(graded(), DmsoWithin())))
    assert none[f"{KEY}/distance/within_compound"].lower < 0 < none[f"{KEY}/distance/within_compound"].upper


def test_nothing_known_is_declined_with_what_to_set(audited: Any) -> None:
    with pytest.raises(NotApplicable, match=r"audit\.known_effects\.path .* audit\.known_effects\.column"):
        list(KnownEffects().findings(audited(graded())))


def test_a_table_of_other_compounds_is_refused_with_both_sides(audited: Any, tmp_path: Path) -> None:
    check = known(tmp_path)
    p = graded()
    other = p.replace(wells=p.wells.assign(compound="BRD-" + p.wells["compound"]))
    with pytest.raises(InputError, match=r"looked for \[\('BRD-c\d\d',\).*the metadata holds \[\('c00',\)"):
        list(check.findings(audited(other)))


def test_the_verdict_does_not_depend_on_it(audited: Any, tmp_path: Path) -> None:
    found = list(known(tmp_path).findings(audited(graded(), Noise())))
    base = [Finding("batch_effect/probe_balanced_accuracy", 0.4, 0.3, 0.5, 90)]
    decided, again = (Verdict().decide(f, ScreenDesign(3, 8)) for f in (base, [*base, *found]))
    assert decided == again
