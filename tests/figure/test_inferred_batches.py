from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext
from harness.figure.inferred_batches import InferredBatches


def tables(names: list[str], *, batches: int = 3, intensity: bool = True) -> dict[str, pd.DataFrame]:
    n = len(names)
    rng = np.random.default_rng(1)
    batch = [f"batch{i * batches // n + 1:02d}" for i in range(n)]
    plates = pd.DataFrame({"plate": names, "order": np.arange(1, n + 1), "batch": batch, "stability": 0.9})
    distance = rng.normal(0, 1, n)
    distance[n // 2] = 44.0
    plates = plates.assign(outlier=distance > 5, distance=distance, cutoff=5.0, reason="", n_controls=64)
    plates = plates.assign(intensity=rng.normal(size=n) if intensity else np.nan, component_1=rng.normal(3, 1, n))
    at = [i for i in range(n - 1) if batch[i] != batch[i + 1]]
    rows = [(names[i], names[i + 1], batch[i], batch[i + 1], 2.0, 0.9) for i in at]
    columns = ["after_plate", "before_plate", "after_batch", "before_batch", "strength", "stability"]
    return {"inferred_batches": plates, "inferred_boundaries": pd.DataFrame(rows, columns=columns)}


def context(screen, found):
    names = {"norm": "raw", "scope": "train", "split": "leave_batch_out", "data": "toy"}
    return FigureContext(**names, seed=1, normalized=screen(), batch_tables=found)


def test_tables_are_those_of_the_batches_found(screen):
    found = tables(["a", "b", "c", "d"])
    assert InferredBatches().tables(context(screen, found)) == found


def test_batches_that_were_given_have_no_such_figure(screen):
    with pytest.raises(NotApplicable, match="batch=inferred"):
        InferredBatches().tables(context(screen, {}))


@pytest.mark.parametrize(("n", "batches"), [(4, 1), (13, 3), (400, 12)])
def test_few_and_many_plates_with_thinned_labels(screen, n, batches):
    found = tables([f"P{i}" for i in range(n)], batches=batches)
    figure = InferredBatches().draw(found, context(screen, found))["inferred_batches"]
    figure.canvas.draw()
    assert len(figure.axes) == 3
    assert len(figure.axes[-1].get_xticks()) <= 44
    assert [t.get_text() for t in figure.axes[-1].texts] == [f"P{n // 2}"]
    lines = [line for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1]
    assert len(lines) == batches - 1
    title = figure.get_suptitle()
    assert f"{n} plates" in title
    assert "1 outlier plate " in title


def test_hostile_names_are_drawn_and_a_screen_without_intensities_has_two_panels(screen, hostile):
    found = tables([*hostile, "z"], intensity=False)
    figure = InferredBatches().draw(found, context(screen, found))["inferred_batches"]
    figure.canvas.draw()
    assert len(figure.axes) == 2
