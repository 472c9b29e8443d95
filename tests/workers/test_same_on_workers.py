"""One worker or two, one process in a run or two: the same numbers."""

from __future__ import annotations

import pytest
from sweeps import runs, sweep

pytestmark = pytest.mark.slow

CHECKS = "audit=[confounding,batch_probe,pseudo_control,effects_kept,ilisi,pcr,mean_average_precision,grit]"


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of each run: one job after the other, each on two cores; two jobs at once, each on one."""
    found = {}
    for n_jobs in ("1", "2"):
        folder = tmp_path_factory.mktemp(f"workers{n_jobs}")
        ended = sweep(
            folder,
            "hydra/launcher=joblib",
            f"hydra.launcher.n_jobs={n_jobs}",
            "+norm=raw,dmso_across",
            "data.size=tiny",
            "figure=[]",
            "n_resamples=20",
            "+audit.effects_kept.n_passes=1",
            CHECKS,
            HARNESS_CORES="2",
        )
        assert ended.returncode == 0, ended.stderr
        found[n_jobs] = {str(run.info.run_name): _but_times(run.data.metrics) for run in runs(folder)}
    return found


@pytest.mark.parametrize("norm", ["raw", "dmso_across"])
def test_every_metric_is_the_same(norm: str, metrics: dict[str, dict[str, dict[str, float]]]) -> None:
    one, two = metrics["1"][norm], metrics["2"][norm]
    assert len(one) > 100
    assert one == pytest.approx(two, rel=0, abs=1e-9)


def _but_times(values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if not key.startswith("time/")}
