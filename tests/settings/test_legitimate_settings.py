"""Settings that people use are not refused: every member, every command of the documentation, values at the border."""

from __future__ import annotations

import re
import shlex

import pytest
from hydra.core.override_parser.types import ChoiceSweep
from refusals import configured, refusal

from harness.cli.error_messages import CONF
from harness.cli.literal_overrides import parse_override
from harness.settings.members import Groups

pytestmark = pytest.mark.slow

ROOT = CONF.parent
GIVEN = {  # what a member needs to be told
    "batch/ranges": ["batch.ranges={b1:[1,9],b2:[[10,19],[30,39]]}"],
    "batch/regex": ["batch.pattern=Week"],
    "data/anndata": ["data.path=screen.h5ad"],
    "data/deepprofiler": ["data.path=project"],
    "data/npz": ["data.path=screen.npz"],
    "data/tables": ["data.paths=[plates/*.csv]"],
    "split/batch_pair": ["split.train=[b1]", "split.test=[b2]"],
}
FEW = {"audit": "[]", "figure": "[]", "baseline": "[]", "metric": "[auroc]", "model": "[logistic]"}
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("experiments/*/README.md")), *sorted(ROOT.glob("docs/*.md"))]


def few(words: list[str]) -> list[str]:
    """Few members in the groups that ``words`` do not mention: it is faster."""
    keys = [word.lstrip("+~").partition("=")[0].partition(".")[0] for word in words]
    return [f"{group}={members}" for group, members in FEW.items() if group not in keys and "experiment" not in keys]


def members() -> list[tuple[str, str]]:
    groups = [group for group in Groups().groups() if group not in ("space", "experiment")]
    return [(group, name) for group in groups for name in Groups().members(group)]


@pytest.mark.parametrize(("group", "name"), members(), ids=[f"{g}/{n}" for g, n in members()])
def test_every_member_is_accepted(group: str, name: str) -> None:
    choice = f"+norm={name}" if group == "norm" else f"{group}={name}"
    words = ["+norm=raw", choice] if group != "norm" else [choice]
    needed = GIVEN.get(f"{group}/{name}", [])
    assert refusal(*words, *few(words), *needed) is None


@pytest.mark.parametrize("name", Groups().members("experiment"))
def test_every_experiment_is_accepted(name: str) -> None:
    assert refusal("+norm=raw", f"+experiment={name}") is None


def commands() -> list[tuple[str, list[str]]]:
    """Command and words of every command line that a document shows."""
    lines = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8").replace("\\\n", " ")
        for module, rest in re.findall(r"python -m harness(\.apply|\.montage)?((?: [^`\n]*)?)", text):
            words = shlex.split(rest.split("#")[0]) if rest.count("'") % 2 == 0 and rest.count('"') % 2 == 0 else []
            words = [word for word in words if "=" in word and not word.startswith(("-", "hydra", "http"))]
            if words and not any("..." in word or word.endswith("=NAME") for word in words):
                lines.append(({"": "config", ".apply": "apply", ".montage": "montage"}[module], words))
    return lines


def once(word: str) -> str:
    """The first value of a sweep."""
    override = parse_override(word)
    if override is not None and isinstance(override.value(), ChoiceSweep):
        return f"{word.partition('=')[0]}={override.value().list[0]}"  # type: ignore[union-attr]
    return word if override is not None else f"{word.partition('=')[0]}='{word.partition('=')[2]}'"


@pytest.mark.parametrize(("command", "words"), commands(), ids=[" ".join([c, *w])[:90] for c, w in commands()])
def test_commands_of_the_documentation_are_accepted(command: str, words: list[str]) -> None:
    words = [once(word) for word in words]
    needs_norm = command == "config" and not any(word.startswith("+norm=") for word in words)
    words = [*words, *(["+norm=raw"] if needs_norm else []), *(few(words) if command == "config" else [])]
    if command == "apply" and not any(word.startswith("out=") for word in words):
        words.append("out=x.parquet")
    assert refusal(*words, command=command) is None


def test_enough_commands_are_looked_at() -> None:
    assert len(commands()) >= 20


BORDER = """
audit=[]
figure=[]
audit=verdict
units=5
units=2024_runs
cache=store
cache=5
tracking.artifacts=null
tracking.uri=http://localhost:5000
tracking.uri=postgresql+psycopg://mlflow@localhost/mlflow
tracking.uri=sqlite:////tmp/x.db
tracking.uri=databricks
tracking.timeout=0.5
tracking.retries=0
tracking.figure_formats=[png,svg,pdf]
tracking.experiment=5
seed=0
seed=4294967295
n_resamples=2
processes=1024
audit_wells=null
audit.verdict.contrast=0
audit.verdict.contrast=1
+audit.spike_in.margin=0.2
audit.known_effects.column=dose
audit.known_effects.path=5
model.encode=plate
model=[logistic] model.logistic.project=null
model.logistic.classifier.class_weight=null
+model.logistic.classifier.solver=saga
+model.logistic.classifier.solver=liblinear +model.logistic.classifier.l1_ratio=1
+model.logistic.classifier.solver=saga +model.logistic.classifier.l1_ratio=0.5
model=[lightgbm] model.lightgbm.classifier.num_leaves=2
model=[lightgbm] model.lightgbm.classifier.n_jobs=-1
model=[lightgbm] model.lightgbm.classifier.n_jobs=null
model=[lightgbm] +model.lightgbm.classifier.max_bin=63
model=[lightgbm] +model.lightgbm.classifier.max_bins=63
model=[lightgbm] +model.lightgbm.classifier.extra_trees=true
data.scenario=null
data.exclude_plates=24277
data.exclude_plates=null
data.exclude_plates=[24277,'24278']
+data.n_batches=7
+data.share_active=0
batch.column=5
batch=regex batch.pattern=5
split=leave_plate_out split.n_folds=3
split=batch_pair split.train=w1 split.test=w2
+norm=sphering norm.shrinkage=0
+norm=sphering norm.shrinkage=ledoit_wolf
+norm=tvn norm.n_components=all
+norm=tvn norm.n_components=5
+norm=sva norm.n_sv=3
+norm=[dmso_within,sphering]
+norm=[raw,raw]
tuning=optuna tuning.study=5
tuning=optuna tuning.timeout=0.5
tuning=optuna +tuning.spaces.logistic.classifier__C.choices=[0.1,1]
data=tables data.paths=a.csv data.features=5
data=tables data.paths=[a.csv] data.controls="Compound == 'DMSO' and Dose < 5"
data=tables data.paths=[a.csv] data.controls.column=5 data.controls.values=[0,true,null,1.5]
data=tables data.paths=[a.csv] data.controls.column=x data.controls.values=DMSO
data=tables data.paths=[a.csv] data.features=[Cells_,Nuclei_]
data=tables data.paths=[a.csv] data.metadata=[{path:b.csv,on:[Plate,Well]}]
data=tables data.paths=[a.csv] data.metadata={path:b.csv,on:{Plate:plate},columns:[x]}
data=tables data.paths=[a.csv] data.name=5
task=[assay_activity] task.assay_activity.assays=[5,abc]
task=[assay_activity] task.assay_activity.values.active=[1,active]
figure=[plate_view] figure.plate_view.feature=5
seed=${processes}
split.seed=${seed}
""".strip().splitlines()


@pytest.mark.parametrize("line", BORDER)
def test_values_at_the_border_are_accepted(line: str) -> None:
    words = [once(word) for word in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", line)]
    norm = [] if any(word.startswith("+norm=") for word in words) else ["+norm=raw"]
    assert refusal(*norm, *words, *few(words)) is None


WRITTEN = {
    "data.exclude_plates=[2021_08]": ("data.exclude_plates", ["2021_08"]),
    "data.exclude_plates=[1E3,true,007]": ("data.exclude_plates", ["1E3", "true", "007"]),
    "data.exclude_plates=[24277]": ("data.exclude_plates", [24277]),
    "data.exclude_plates=['2021_08',1_0]": ("data.exclude_plates", ["2021_08", "1_0"]),
    "data.exclude_plates=2021_08": ("data.exclude_plates", "2021_08"),
    "batch.column=5": ("batch.column", "5"),
    "batch.column=1e3": ("batch.column", "1e3"),
    "units=2024": ("units", "2024"),
    "tracking.experiment=2021_08": ("tracking.experiment", "2021_08"),
    "audit.known_effects.column=007": ("audit.known_effects.column", "007"),
    "n_resamples=1_00": ("n_resamples", 100),
    "model.logistic.classifier.C=1e-3": ("model.logistic.classifier.C", 0.001),
    "aggregate=none": ("aggregate", "none"),
}


@pytest.mark.parametrize("word", WRITTEN)
def test_text_is_taken_as_it_was_written(word: str) -> None:
    key, value = WRITTEN[word]
    cfg = configured("+norm=raw", word)
    for name in key.split("."):
        cfg = cfg[name]
    assert cfg == value
    assert [type(part) for part in cfg] == [type(part) for part in value] if isinstance(value, list) else True


def test_a_choice_of_a_member_after_its_setting_does_not_hide_the_text() -> None:
    assert configured("+norm=raw", "batch.pattern=5", "batch=regex").batch.pattern == "5"
