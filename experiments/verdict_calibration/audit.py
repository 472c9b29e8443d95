"""Make one audit of the calibration as the harness does: with the members and margins of ``conf/``."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from experiments.verdict_calibration.cells import Cell
from experiments.verdict_calibration.methods import method
from harness.audit.scorecard.decision import Decision
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.verdict import Verdict
from harness.cli.evaluation import make_plan
from harness.core.finding import Finding
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan
from harness.settings.members import CONF

OVERRIDES = ("+norm=raw", "figure=[]", "metric=[auroc]", "baseline=[row_norm,position]", "processes=1",
             "model.lightgbm.classifier.n_estimators=40")  # fmt: skip
NOT_READ = (  # pictures and numbers for people; no question of the scorecard reads them
    "silhouette", "pcr", "graph_connectivity", "plate_correlation", "percent_replicating", "grit", "known_effects",
    "mean_average_precision",
)  # fmt: skip

Row = dict[str, Any]


class Memory:
    """Recorder that remembers findings and decision only."""

    def __init__(self) -> None:
        self.decision: Decision | None = None
        self.all_findings: Sequence[Finding] = ()

    def findings(self, findings: Sequence[Finding]) -> None:
        """Remember the findings of all checks."""
        self.all_findings = findings

    def verdict(self, decision: Decision) -> None:
        """Remember the decision."""
        self.decision = decision

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@cache
def configuration() -> DictConfig:
    """Return the composed configuration, without its seed."""
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=list(OVERRIDES))
    OmegaConf.set_struct(cfg, False)
    for name in NOT_READ:
        cfg.audit.pop(name, None)
    return cfg


def plan(cell: Cell, seed: int) -> EvaluationPlan:
    """Return what the command line would evaluate: every check that the verdict reads, both models."""
    cfg = configuration().copy()
    cfg.seed = seed
    members = make_plan(cfg, cell.method, "leave_batch_out")
    return replace(members, name=cell.method, normalizer=method(cell.method))


def audit(cell: Cell, seed: int) -> Row:
    """Return the verdict on one screen, the answers and findings behind it, and the processor time, in seconds."""
    warnings.simplefilter("ignore")
    start = time.process_time()
    memory = Memory()
    run = EvaluationRun(plan(cell, seed), cell.make.profiles(seed), memory)
    run.execute()
    assert memory.decision is not None
    return {
        "cell": cell.name,
        "method": cell.method,
        "seed": seed,
        "verdict": memory.decision.call.value,
        "answers": answers(memory.decision),
        "findings": [_plain(asdict(f)) for f in memory.all_findings],
        "design": asdict(memory.decision.design),
        "seconds": round(time.process_time() - start, 2),
        "by_check": {name.removeprefix("audit_"): round(s, 2) for name, s in run.times.seconds.items()},
    }


def decide_again(row: Row) -> Row:
    """Return the row with the verdict that today's margins give on its findings, without auditing again."""
    findings = [Finding(**{**f, **{k: _number(f[k]) for k in ("value", "lower", "upper")}}) for f in row["findings"]]
    decision = verdict().decide(findings, ScreenDesign(**row["design"]))
    return {**row, "verdict": decision.call.value, "answers": answers(decision)}


@cache
def verdict() -> Verdict:
    """Return the verdict of the configuration."""
    member = make_plan(configuration(), "raw", "leave_batch_out").verdict
    assert member is not None
    return member


def answers(decision: Decision) -> list[Row]:
    """Return one row per question: reply, value, interval, limit and code."""
    columns = ["question", "answer", "value", "lower", "upper", "limit", "key", "code"]
    return [_plain(row) for row in decision.scorecard()[columns].to_dict("records")]


def stored(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of finished audits; none if there is no file."""
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)


def _plain(row: Mapping[Any, Any]) -> Row:
    """Return a row with None in place of NaN, which JSON does not have."""
    return {str(k): (_short(v) if isinstance(v, float) else v) for k, v in row.items()}


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
