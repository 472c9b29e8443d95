"""The comparison as one self-contained page; a browser loads nothing for it and runs nothing in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.compare.comparison_group import ComparisonGroup, unfinished_reason
from harness.compare.leaderboard import leaderboard
from harness.compare.picture_sections import differences, images, tradeoff
from harness.compare.plots import verdict_style
from harness.compare.report_section import Section
from harness.compare.spikes import spikes
from harness.compare.table import differing_settings
from harness.compare.verdicts import verdicts
from harness.utils.html_templates import html_templates

_COMMAND_IN_NOTE = re.compile(r"`(python -m harness[^`]*)`\s*$")


def report(groups: Sequence[ComparisonGroup], *, command: str) -> str:
    """Return the page: for each group its verdicts, leaderboard, pictures, failures, and the commands of its runs.

    Parameters
    ----------
    command : that made this page, shown at its end.

    Pieces that a run lacks (no audit, no figures, no verdict) are left out and named in a note.
    """
    templates = html_templates("harness.compare", "templates")
    templates.filters["verdict_colour"] = lambda verdict: verdict_style(verdict)[0]
    prefixes = [f"g{i + 1}-" if len(groups) > 1 else "" for i in range(len(groups))]
    return templates.get_template("report.html.jinja").render(
        experiment=groups[0].experiment,
        groups=[_group(group, prefix) for group, prefix in zip(groups, prefixes, strict=True)],
        command=command,
    )


def _group(group: ComparisonGroup, prefix: str) -> dict[str, object]:
    """Return the part of the page on one group; ``prefix`` tells its anchors from those of other groups."""
    sections = [
        verdicts(group),
        leaderboard(group),
        tradeoff(group),
        differences(group),
        spikes(group),
        images(group),
        unfinished(group),
        careful(group),
        commands(group),
    ]
    data, split = group.tags.get("data", "data not named"), group.tags.get("split", "not named")
    return {
        "heading": f"{group.experiment}: {data}, split {split}",
        "size": group.size,
        "prefix": prefix,
        "sections": [section for section in sections if section is not None],
    }


def unfinished(group: ComparisonGroup) -> Section | None:
    """Return runs that failed or did not end, each with its reason."""
    rows = [[label, run.status, unfinished_reason(run)] for label, run in group.unfinished.items()]
    return Section("failed", "Failed and unfinished runs", {"rows": rows}) if rows else None


def careful(group: ComparisonGroup) -> Section | None:
    """Return settings outside the normalization that differ between runs."""
    rows = [[key, ", ".join(values)] for key, values in differing_settings(group.finished).items()]
    return Section("careful", "Settings that differ", {"rows": rows}) if rows else None


def commands(group: ComparisonGroup) -> Section:
    """Return the command of each run, as it was typed, and the names of runs without a stored command."""
    lines, without_command = [], []
    for label, run in group.runs.items():
        in_note = _COMMAND_IN_NOTE.search(run.tags.get("mlflow.note.content", ""))
        line = run.tags.get("command") or (in_note.group(1) if in_note else "")
        if line:
            lines.append(line)
        else:
            without_command.append(label)
    values = {"lines": list(dict.fromkeys(lines)), "without_command": without_command}
    return Section("commands", "The commands that made these runs", values)
