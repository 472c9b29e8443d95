"""Find features of raw wells that leak labels or order, and refuse or report them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.leak_guard import identity, row_order, separation
from harness.leak_guard.sample import (
    MOST_BATCHES,
    MOST_PLATES,
    SCREENED_BATCHES,
    SCREENED_PLATES,
    Wells,
    plates_of,
    read_wells,
)

LEVELS = ("error", "warn", "off")
AUROC = 0.99
NEAR_AUROC = 0.95
_STRONG_FEATURES, _STRONG_SHARE = 5, 0.02  # so many features near such an AUROC are a phenotype, not a leak
_SURE_BITS = 20  # one false alarm in a million screens
_NAMED = 5
SMALL_BYTES = 2_000_000_000  # of features: read in a second or two


@dataclass(frozen=True)
class Leak:
    """Feature that leaks a label, an order or an identity.

    Attributes
    ----------
    feature : its name.
    what : the leak in words, e.g. ``tells controls from treated wells``.
    detail : the numbers behind it.
    is_refused : by ``data.leak_guard=error``; others are reported as warnings.
    """

    feature: str
    what: str
    detail: str
    is_refused: bool


@dataclass(frozen=True)
class LeakReport:
    """Result of :func:`find_leaks`."""

    leaks: list[Leak] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table ``leak_guard``: feature, what, detail, refused."""
        return [
            {"feature": leak.feature, "what": leak.what, "detail": leak.detail, "refused": leak.is_refused}
            for leak in self.leaks
        ]

    def refusal(self) -> str:
        """Return one line that names the features that must not be trained on, or ""."""
        refused = [leak for leak in self.leaks if leak.is_refused]
        if not refused:
            return ""
        question, it = ("a label or a counter rather than a measurement", "it")
        if len(refused) > 1:
            question, it = ("labels or counters rather than measurements", "them")
        remedy = f"leave {it} out by data.features; to keep {it}, set data.leak_guard=warn"
        return f"{_sentences(refused)}: {question}? If so, {remedy}"

    def warnings(self, *, refused_too: bool = False) -> list[str]:
        """Return a line for each kind of leak, those of refused features only if ``refused_too``."""
        leaks = [leak for leak in self.leaks if refused_too or not leak.is_refused]
        kinds = dict.fromkeys(leak.what for leak in leaks)
        return [_sentences([leak for leak in leaks if leak.what == kind]) for kind in kinds]


def check_level(level: object) -> None:
    """Raise InputError unless ``level`` is one of :data:`LEVELS`."""
    if level not in LEVELS:
        raise InputError(f"data.leak_guard={level!r}: expected one of {list(LEVELS)}")


def check_leaks(profiles: Profiles, level: str = "error") -> LeakReport:
    """Check the features of raw ``profiles`` for leaks; ``level``: error, warn or off.

    Raises
    ------
    InputError : an unknown ``level``; with ``error``, a feature that tells controls from treated wells in every batch,
        or that is an order of rows.
    """
    check_level(level)
    report = LeakReport() if level == "off" else find_leaks(profiles)
    if level == "error" and (refusal := report.refusal()):
        raise InputError(f"data.leak_guard: {refusal}")
    return report


def find_leaks(profiles: Profiles) -> LeakReport:
    """Find the features of raw ``profiles`` that leak the role, an order of rows, or the identity of a well.

    All features are read on up to 4 plates of 2 batches; those that look suspicious on these on all plates, or on 48
    plates of 12 batches of a screen beyond :data:`SMALL_BYTES`. Wells are medians of their sites. A finding must be too
    unlikely for noise, given the number of features.
    """
    table = profiles.wells
    few = read_wells(profiles, plates_of(table, SCREENED_BATCHES, SCREENED_PLATES))
    suspects = np.flatnonzero(_suspicious(few))
    if not len(suspects):
        return LeakReport()
    is_small = profiles.X.nbytes <= SMALL_BYTES
    plates = list(table["plate"].astype(str).unique()) if is_small else plates_of(table, MOST_BATCHES, MOST_PLATES)
    wells = read_wells(profiles, plates, suspects)
    names = [profiles.features[i] for i in suspects]
    enough_bits = _SURE_BITS + np.log2(len(profiles.features))
    leaks = [
        *_separating(wells, names, enough_bits, n_features=len(profiles.features)),
        *_ordered(wells, names, enough_bits),
    ]
    refused = {leak.feature for leak in leaks}
    identifying = _identifying(wells, names, enough_bits)
    return LeakReport([*leaks, *(leak for leak in identifying if leak.feature not in refused)])


def _suspicious(wells: Wells) -> Mask:
    suspects = [separation.may_separate(wells, NEAR_AUROC), np.ptp(wells.X, axis=0) == 0]  # equal here, not elsewhere
    suspects += [row_order.follows(wells.X, order) for order in row_order.row_orders(wells)]
    suspects += [identity.is_constant_within(wells.X, groups) for groups in identity.groupings(wells).values()]
    any_of_them: Mask = np.logical_or.reduce(suspects)
    return any_of_them


def _separating(wells: Wells, names: Sequence[str], enough_bits: float, *, n_features: int) -> list[Leak]:
    aurocs = separation.auroc_by_batch(wells)
    if not len(aurocs):
        return []
    weakest = np.maximum(aurocs.min(axis=0), (1 - aurocs).min(axis=0))
    weakest[separation.chance_bits(wells) < enough_bits] = 0.5
    label = separation.is_label(wells)
    n_near = int((weakest[~label] > NEAR_AUROC).sum())
    is_phenotype = n_near >= max(_STRONG_FEATURES, _STRONG_SHARE * n_features)
    leaks = []
    for i in np.flatnonzero(weakest > AUROC).tolist():
        what = "tells controls from treated wells in every batch by itself"
        if is_phenotype and not label[i]:
            what = "tells controls from treated wells in every batch, as others do: a strong phenotype, or a leak"
        span = dict.fromkeys(f"{auroc:.3f}" for auroc in (aurocs[:, i].min(), aurocs[:, i].max()))
        detail = f"AUROC {' to '.join(span)}, {len(aurocs)} {'batches' if len(aurocs) > 1 else 'batch'}"
        leaks.append(Leak(names[i], what, detail, is_refused=not is_phenotype or bool(label[i])))
    return leaks


def _ordered(wells: Wells, names: Sequence[str], enough_bits: float) -> list[Leak]:
    orders = row_order.row_orders(wells)
    leaks: dict[str, Leak] = {}
    for order in orders:
        if row_order.chance_bits(order) < enough_bits:
            continue
        of_file = order is orders[0] and not any(row_order.same_order(order, other) for other in orders[1:])
        certain = row_order.is_regular(wells.X, order) if of_file else np.ones(len(names), dtype=bool)
        for i in np.flatnonzero(row_order.follows(wells.X, order)).tolist():
            what = f"follows the order of {order.name.removeprefix('the ')}" + (
                "" if certain[i] else ", which may be sorted by it"
            )
            detail = f"rises or falls from well to well on each of {len(order.plates)} plates"
            leak = Leak(names[i], what, detail, is_refused=bool(certain[i]))
            if names[i] not in leaks or (leak.is_refused and not leaks[names[i]].is_refused):
                leaks[names[i]] = leak
    return list(leaks.values())


def _identifying(wells: Wells, names: Sequence[str], enough_bits: float) -> list[Leak]:
    things: dict[int, list[str]] = {}
    n_groups: dict[str, int] = {}
    for what, groups in identity.groupings(wells).items():
        n_groups[what] = int(groups.max()) + 1
        constant = identity.is_constant_within(wells.X, groups)
        constant[constant] = identity.chance_bits(wells.X[:, constant], groups) >= enough_bits
        for i in np.flatnonzero(constant).tolist():
            if not (what == "the plate" and "the batch" in things.get(i, [])):
                things.setdefault(i, []).append(what)
    leaks = []
    for i, identified in things.items():
        sizes = " and ".join(f"{n_groups[what]} {_plural(what, n_groups[what])}" for what in identified)
        detail = f"constant within each of {sizes}"
        leaks.append(Leak(names[i], f"identifies {' and '.join(identified)}", detail, is_refused=False))
    return leaks


def _plural(what: str, n: int) -> str:
    noun = what.removeprefix("the ")
    return noun if n == 1 else f"{noun}es" if noun.endswith("ch") else f"{noun}s"


def _sentences(leaks: Sequence[Leak]) -> str:
    listed = [f"feature {leak.feature!r} {leak.what} ({leak.detail})" for leak in leaks[:_NAMED]]
    more = f" and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    return "; ".join(listed) + more
