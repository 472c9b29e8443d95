"""Every place where a string from data or from the configuration could become part of a path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import MAPPING, TABLES, run_command, wide
from oddities import NAMES, layout

from harness.apply.command import cli as apply_cli
from harness.core.exceptions import InputError
from harness.data.files.table_files import expand
from harness.data.tables import Tables
from harness.montage.image import CORRUPT, MISSING, read_channel
from harness.montage.template import Refused, Template
from harness.norm.engine.serialization import existing, load_with_extra, save
from harness.norm.raw import Raw
from harness.store.store import load, store_folder

pytestmark = pytest.mark.slow

IMPOSSIBLE = ("x" * 10_000, "a\0b", "a/" * 3000 + "b", "\udcff" * 300)
CLIMBING = ("../../escaped", "/escaped", "a/../../../escaped", "..", "a\\b", "a b\nc", "<b>", "")


@pytest.fixture
def deep(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """An empty folder; afterwards nothing but it may hold files."""
    own = tmp_path / "a/b/c"
    own.mkdir(parents=True)
    (folder / "mlruns").rename(own / "mlruns")
    yield own
    assert all(own in path.parents for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", [*IMPOSSIBLE, "~nosuchuser/x", "", "/", "[", "../" * 50])
def test_a_path_that_cannot_be_is_refused_in_one_line(path: str) -> None:
    with pytest.raises(InputError) as refused:
        expand(path, option="data.paths")
    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(InputError):
        load_with_extra(Path(path))


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_name_that_no_file_can_have_is_refused_before_anything_is_computed(name: str) -> None:
    with pytest.raises(InputError, match="no file can be called so"):
        existing([Path(f"{name}.parquet")])


@pytest.mark.parametrize("name", NAMES)
def test_the_packed_screen_lies_under_a_hash_whatever_its_name(name: str, deep: Path) -> None:
    table = layout(1, 6).assign(area=np.arange(6.0), plate=name)
    table.to_parquet(deep / "screen.parquet")
    source = Tables(paths=str(deep / "screen.parquet"), controls="compound == 'DMSO'", name=name)
    assert load(source, deep / "store").name == name
    folder = store_folder(source, deep / "store")
    assert folder.parent == deep / "store"
    assert folder.name.isalnum()
    assert {path.name for path in folder.iterdir()} == {"features.npy", "wells.parquet", "store.json"}


@pytest.mark.parametrize("name", [*NAMES, *CLIMBING])
def test_images_are_looked_for_below_their_folder_only(name: str, tmp_path: Path) -> None:
    template = Template(f"{tmp_path}/images/{{plate}}/{{well}}_{{channel}}.tif", ["DNA"])
    try:
        path = template.path({"plate": name, "well": "B02", "channel": "DNA"})
    except Refused:
        return
    assert (tmp_path / "images").resolve() in path.resolve().parents
    assert path.resolve().relative_to((tmp_path / "images").resolve()).parts[1:] == ("B02_DNA.tif",)
    assert read_channel(path, 10).status == MISSING


def test_an_image_whose_path_is_too_long_is_a_tile_without_a_picture() -> None:
    assert read_channel(Path("x" * 10_000), 10).status == CORRUPT


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("group", ["task", "model", "baseline", "audit", "figure"])
def test_a_member_is_called_by_a_plain_name(group: str, name: str) -> None:
    from harness.core.task import Task
    from harness.norm.base import Normalizer
    from harness.run.plan import EvaluationPlan
    from harness.split.leave_batch_out import LeaveBatchOut

    fields = {"task": "tasks", "model": "models", "baseline": "baselines", "audit": "checks", "figure": "figures"}
    chosen = {"tasks": {"t": Task()}, "models": {"m": object()}}
    plan = {"name": "raw", "normalizer": Normalizer(), "splitter": LeaveBatchOut(), "metrics": [object()]}
    EvaluationPlan(**plan, **chosen)
    with pytest.raises(InputError, match=f"{group}: a member is called"):
        EvaluationPlan(**plan, **{**chosen, fields[group]: {name: object()}})


@pytest.mark.parametrize(
    "override",
    ["+norm=../data/demo", "+norm=/etc/passwd", "+norm=raw split=../x"],
)
def test_members_of_the_configuration_are_not_looked_for_elsewhere(override: str, deep: Path) -> None:
    outcome = run_command(deep, *override.split(), "data.size=tiny")
    assert outcome.status == 2, outcome


@pytest.mark.parametrize("setting", ["figure.scores.metric=../../../escaped"])
def test_a_setting_of_a_figure_names_no_file(setting: str, deep: Path) -> None:
    wide().to_csv(deep / "screen.csv", index=False)
    figure = setting.split(".")[1]
    words = [word for word in TABLES if not word.startswith("figure")]
    outcome = run_command(deep, "+norm=raw", *words, *MAPPING, "data.paths=[screen.csv]", f"figure=[{figure}]", setting)
    assert outcome.status in (0, 2)
    assert not [path for path in deep.rglob("*") if "escaped" in path.name]


@pytest.mark.parametrize("study", ["../../../escaped <b>'; DROP TABLE studies"])
def test_a_study_is_a_row_of_its_database_and_no_file(study: str, deep: Path) -> None:
    wide(n_batches=4).to_csv(deep / "screen.csv", index=False)
    quoted = study.replace("'", "\\'")
    outcome = run_command(
        deep, "+norm=raw", *TABLES, *MAPPING, "data.paths=[screen.csv]", "tuning=optuna", "tuning.n_trials=1",
        f"tuning.study='{quoted}'", "processes=1",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    names = {path.name.partition("-")[0] for path in (deep / "mlruns").iterdir() if path.is_file()}
    assert names == {"mlflow.db", "optuna.db"}


@pytest.mark.parametrize("out", ["x" * 300 + ".parquet", "a\0b.parquet", "missing/x.parquet", ".parquet"])
def test_profiles_are_not_written_to_an_impossible_place(out: str, deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(deep)
    monkeypatch.setattr("sys.argv", ["harness.apply", "+norm=raw", "data.size=tiny", f"out='{out}'"])
    assert apply_cli() == 2
    assert not [path for path in deep.iterdir() if path.is_file()]


def test_statistics_go_where_they_are_told_and_nowhere_else(deep: Path) -> None:
    for name in [name for name in NAMES if "/" not in name and "\0" not in name and len(name) < 200 and name != ".."]:
        save(Raw(), deep / name)
        assert isinstance(load_with_extra(deep / name)[0], Raw)
        assert [path.name for path in deep.iterdir() if path.is_file()] == [name]
        (deep / name).unlink()


def test_columns_of_a_table_name_no_file(deep: Path) -> None:
    table = wide().rename(columns={"Cells_Area": "../../escaped", "Cells_Edge": "/escaped"})
    table.to_csv(deep / "screen.csv", index=False)
    words = [word for word in TABLES if not word.startswith("figure")]
    outcome = run_command(
        deep, "+norm=dmso_within", *words, *MAPPING, "data.paths=[screen.csv]", "figure=[plate_view]",
        "figure.plate_view.feature='../../escaped'", "processes=1",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    (kept,) = deep.rglob("plate_view_value.parquet")
    assert "escaped" in pd.read_parquet(kept).to_csv()
    assert not [path for path in deep.rglob("*") if "escaped" in path.name]
