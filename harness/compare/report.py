"""The comparison as one page that can be sent around: everything in it, nothing loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.compare import scorecards
from harness.compare.comparison_group import Group
from harness.compare.html import Html, join, note, page, section, table, tag
from harness.compare.html_figures import differences, images, spike_in, tradeoff
from harness.compare.leaderboard import leaderboard
from harness.compare.report_section import Section, counts
from harness.compare.table import differing_settings

_NAMED = re.compile(r"`(python -m harness[^`]*)`\s*$")


def report(groups: Sequence[Group], *, command: str) -> str:
    """Return the page: for each group its verdicts, leaderboard, pictures, what failed, and what made it.

    Parameters
    ----------
    command : that made this page, shown at its end.

    Pieces that a run lacks (no audit, no figures, no verdict) are left out and named in a note.
    """
    experiment = groups[0].experiment
    parts = [part for i, group in enumerate(groups) for part in _group(group, f"g{i + 1}-" if len(groups) > 1 else "")]
    made = section("report", "This page", tag("pre", command))
    return page(f"{experiment}: normalizations compared", *parts, made)


def _group(group: Group, prefix: str) -> list[Html]:
    tags = group.tags
    body = [
        scorecards.section(group),
        leaderboard(group),
        tradeoff(group),
        differences(group),
        spike_in(group),
        images(group),
        unfinished(group),
        careful(group),
        commands(group),
    ]
    shown = [(f"{prefix}{part.anchor}", part) for part in body if part is not None]
    links = [tag("a", part.title, href=f"#{anchor}") for anchor, part in shown]
    return [
        tag("h1", f"{group.experiment}: {tags.get('data', 'data not named')}, split {tags.get('split', 'not named')}"),
        tag("p", counts(group), class_="lead"),
        tag("nav", join(links, " ")),
        *(section(anchor, part.title, *part.content) for anchor, part in shown),
    ]


def unfinished(group: Group) -> Section | None:
    """Return what did not come to an end, and why."""
    rows = [
        [label, run.status, run.tags.get("failure", "no result (still running, or cut off)")]
        for label, run in group.unfinished.items()
    ]
    if not rows:
        return None
    head: list[tuple[object, int]] = [("normalization", 1), ("status", 1), ("reason", 1)]
    return Section("failed", "Failed and unfinished runs", [tag("div", table([head], rows, words=3), class_="wide")])


def careful(group: Group) -> Section | None:
    """Return settings other than the normalization's own that differ between runs."""
    found = differing_settings(group.finished)
    if not found:
        return None
    head: list[tuple[object, int]] = [("setting", 1), ("values", 1)]
    rows = [[key, ", ".join(values)] for key, values in found.items()]
    warning = note("These settings differ between the runs above; so may their scores for that reason alone.")
    return Section("careful", "Careful", [warning, tag("div", table([head], rows, words=2), class_="wide")])


def commands(group: Group) -> Section:
    """Return what made each run, as it was typed; of one that kept no command, what is known."""
    lines, lost = [], []
    for label, run in group.runs.items():
        tags = run.tags
        noted = _NAMED.search(tags.get("mlflow.note.content", ""))
        line = tags.get("command") or (noted.group(1) if noted else "")
        if line:
            lines.append(line)
        else:
            lost.append(label)
    content = [tag("pre", "\n".join(dict.fromkeys(lines)))] if lines else []
    if lost:
        content.append(note(f"Without a stored command (settings are in the run's parameters): {', '.join(lost)}."))
    return Section("commands", "The commands that made these runs", content)
