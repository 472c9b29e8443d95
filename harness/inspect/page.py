"""Page printed by ``python -m harness.inspect``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from harness.data.conventions.table import cells
from harness.inspect.applicable import Member
from harness.inspect.reading import ScreenOutline
from harness.inspect.text_layout import align_columns, command_lines, wrap_paragraph

MOST_BATCHES = 12  # lines
_ABOUT = "what is in it and what can be done with it; nothing was computed or recorded"
TITLES = {"norm": "Normalizations (+norm=)", "split": "Splits (split=)", "audit": "Checks (audit=)",
          "baseline": "Baselines (baseline=)"}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """Printed page: the screen, the members of each group, the duration of an evaluation, and the command."""

    outline: ScreenOutline
    batches_from: str
    members: dict[str, list[Member]]
    duration: str
    command: list[str]

    def lines(self, width: int) -> list[str]:
        """Return the page, each line at most ``width`` long unless a word is longer."""
        sections = [
            wrap_paragraph("", f"{self.outline.name}: {_ABOUT}", width=width, indent=0),
            self._columns(width), self._plates(width), self._features(width), self._warnings(width),
            *(self._group(group, width) for group in self.members),
            ["Expected time", *wrap_paragraph("", self.duration, width=width)],
            ["Command", *command_lines(self.command, width=width)],
        ]  # fmt: skip
        return [line for i, section in enumerate(s for s in sections if s) for line in ([""] if i else []) + section]

    def _columns(self, width: int) -> list[str]:
        rows = self.outline.report.tables.get("conventions")
        if not rows:
            return []
        table = [list(row) for row in cells(rows)]
        for row in table:
            if row[0] == "batch":
                n = self.outline.wells["batch"].nunique()
                row[1:] = [self.batches_from or row[1], f"{n} {'batch' if n == 1 else 'batches'}"]
        title = "Columns (data.columns.NAME=COLUMN, data.controls, data.poscon, data.empty and batch= decide otherwise)"
        return [*wrap_paragraph("", title, width=width, indent=0), *align_columns(table, width=width)]

    def _plates(self, width: int) -> list[str]:
        wells = self.outline.wells.drop_duplicates(["plate", "well"])
        header = ["batch", "plates", "wells", "controls a plate", "positive", "empty", "compounds"]
        batches = list(pd.unique(wells["batch"]))
        rows = [_batch_row(str(batch), wells[wells["batch"] == batch]) for batch in batches[:MOST_BATCHES]]
        more = [f"  and {len(batches) - MOST_BATCHES} more batches"] if len(batches) > MOST_BATCHES else []
        sites = f", {len(self.outline.wells):,} images" if len(wells) < len(self.outline.wells) else ""
        total = f"Plates: {wells['plate'].nunique():,} with {len(wells):,} wells{sites}"
        return [*wrap_paragraph("", total, width=width, indent=0), *align_columns([header, *rows], width=width), *more]

    def _features(self, width: int) -> list[str]:
        outline = self.outline
        groups = Counter(name.split("_")[0] for name in outline.features)
        kinds = ", ".join(f"{group} {n:,}" for group, n in groups.most_common(8)) if len(groups) <= 40 else ""
        lines = [f"Features: {len(outline.features):,}" + (f" ({kinds})" if kinds and len(groups) > 1 else "")]
        notes = [note for note in outline.report.notes if not note.startswith("  ")]
        if outline.missing_features:
            notes.append(f"{outline.missing_features:,} hold missing or infinite values ({outline.extent} were read)")
        elif outline.extent != "all rows":
            notes.append(f"values: {outline.extent} were read")
        return [*lines, *(line for note in notes for line in wrap_paragraph("", note, width=width))]

    def _warnings(self, width: int) -> list[str]:
        warnings = self.outline.report.warnings
        return (
            ["Warnings", *(line for w in warnings for line in wrap_paragraph("", w, width=width))] if warnings else []
        )

    def _group(self, group: str, width: int) -> list[str]:
        members = self.members[group]
        applying = ", ".join(member.name for member in members if not member.reason)
        reasons: dict[str, list[str]] = {}
        for member in members:
            if member.reason:
                reasons.setdefault(member.reason, []).append(member.name)
        rows = [[", ".join(names), reason] for reason, names in reasons.items()]
        return [
            TITLES[group],
            *wrap_paragraph("apply: ", applying or "none", width=width),
            *(["  do not:"] if rows else []),
            *align_columns(rows, width=width, indent=4, last=width // 2),
        ]


def _batch_row(batch: str, wells: pd.DataFrame) -> list[str]:
    counts = wells["role"].value_counts()
    controls = (wells["role"] == "negcon").groupby(wells["plate"].to_numpy()).sum()
    span = f"{controls.min()}" if controls.min() == controls.max() else f"{controls.min()} to {controls.max()}"
    treated = wells[wells["role"] == "treated"]
    compounds = f"{treated['compound'].nunique():,}" if "compound" in wells else "-"
    return [
        batch, f"{wells['plate'].nunique():,}", f"{len(wells):,}", span, f"{counts.get('poscon', 0):,}",
        f"{counts.get('empty', 0):,}", compounds,
    ]  # fmt: skip
