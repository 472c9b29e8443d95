"""The cells of the calibration: a simulated screen, a normalization, and which verdicts are right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from experiments.verdict_calibration.methods import HARMLESS
from experiments.verdict_calibration.real_background import is_available
from experiments.verdict_calibration.simulator import Screen, two_batches
from harness.core.profiles import Profiles
from harness.data.demo import Demo


@dataclass(frozen=True)
class Rule:
    """Requirement on the share of seeds that get ``word``, from ``at_least`` to ``at_most``; without limits, none."""

    word: str
    at_least: float = 0.0
    at_most: float = 1.0

    def holds(self, shares: Mapping[str, float]) -> bool:
        """Return whether the ``shares`` of each verdict obey it."""
        return self.at_least <= shares.get(self.word, 0.0) <= self.at_most

    def __str__(self) -> str:
        if self.at_most < 1:
            return f"{self.word} at most {self.at_most:.0%}" if self.at_most else f"never {self.word}"
        return f"{self.word} at least {self.at_least:.0%}" if self.at_least else ""


@dataclass(frozen=True)
class DemoScreen:
    """A scenario of the project's own simulated screen: 384 wells and 64 controls a plate, 100 features."""

    scenario: str
    n_batches: int = 5
    plates_per_batch: int = 4
    background: str = "simulated"

    def profiles(self, seed: int) -> Profiles:
        """Return the screen of a seed."""
        demo = Demo(
            scenario=self.scenario,
            seed=seed,
            n_batches=self.n_batches,
            plates_per_batch=self.plates_per_batch,
            n_sites=1,
            n_features=100,
        )
        return demo.profiles()


@dataclass(frozen=True)
class Cell:
    """One row of the table: every seed gives one screen, one audit and one verdict.

    Attributes
    ----------
    row : the line of the specification that it belongs to. screen : its name in the table. make : the screen.
    rules : all must hold; none: reported only. n_seeds : by default.
    """

    row: str
    screen: str
    make: Screen | DemoScreen
    method: str
    rules: Sequence[Rule] = ()
    n_seeds: int = 20

    @property
    def name(self) -> str:
        """The cell's name: row, screen and method."""
        return f"{self.row}: {self.screen}: {self.method}"


def never(*words: str) -> tuple[Rule, ...]:
    """Return rules that forbid verdicts."""
    return tuple(Rule(word, at_most=0.0) for word in words)


SIZES = ((2, 2), (2, 3), (3, 2), (3, 3), (5, 4))
NULL = Screen(n_batches=4, plates_per_batch=3, active=0.0)
FIXED = replace(NULL, layout="edge_columns", edge=1.5, gradient=0.7)
RING = replace(FIXED, edge_width=0.0)
BASE = Screen()
SMALL = Screen(n_batches=3, plates_per_batch=3)
SPECIAL = {"repeats_dropped": {"n_repeated": 15}, "small_values_zeroed": {"diffuse": True, "active": 0.8}}
DESTROYED = (
    "one_axis", "three_components", "strongest_hidden", "one_batch_flattened", "averaged", "noise_added", "clipped",
    "tanh", "one_batch_shuffled", "archetypes", "quiet_axes_dropped", "small_values_zeroed",
)  # fmt: skip
LIMITS = ("clipped_mildly", "tanh_mildly")
NAMED = ("dmso_within", "rotated", "constants_added", "asinh", "repeats_dropped")  # 50 seeds each, the others 20
NULL_METHODS = ("raw", "dmso_within", "all_within", "combat", "well_position")
NO_SHIFTS = {"batch": 0.0, "plate": 0.0, "gain": 0.0, "plate_gain": 0.0}
HIDDEN_BATCH: tuple[tuple[str, dict[str, float], str, int], ...] = (  # screen, how it differs, method, seeds
    ("second run on half of each plate", {"half_plates": 3.0}, "dmso_within", 50),
    ("batches in variance only", {**NO_SHIFTS, "stretch": 3.0}, "raw", 50),
    ("batches in variance only", {**NO_SHIFTS, "stretch": 3.0}, "mean", 20),
    ("batches in correlation only", {**NO_SHIFTS, "turn": 1.0}, "dmso_within", 50),
    ("features constant in each batch", {"n_constant": 6}, "mean_in_float32", 50),
)
OTHER_FEATURES = ("log-normal", "zero-inflated", "heavy-tailed")


def cells() -> list[Cell]:
    """Return every cell; those on a real background only if its files are at hand."""
    all_cells = [
        *_null(),
        *_batches(),
        *_kept(),
        *_lost(),
        *_cheats(),
        *_planted(),
        *_present(),
        *_textbook(),
        *_pairs(),
    ]
    return [cell for cell in all_cells if cell.make.background == "simulated" or is_available()]


def matching(pattern: str) -> list[Cell]:
    """Return the cells whose name holds ``pattern``, which may have * and ?."""
    return [cell for cell in cells() if fnmatch(cell.name, f"*{pattern}*")]


def _null() -> Iterator[Cell]:
    rules = never("sound", "over-normalizes")
    for method in NULL_METHODS:
        yield Cell("null", "random layout", NULL, method, rules, 50)
        yield Cell("null", "controls in outer columns", FIXED, method, rules, 50)
    for method in ("raw", "dmso_within"):
        yield Cell("null", "controls in outer columns, effect of the outer ring only", RING, method, rules)
    yield Cell("null", "treated wells noisier", replace(NULL, treated_noise=1.4), "dmso_within", rules)
    real = replace(NULL, background="bbbc021")
    yield Cell("null", "real control wells", real, "dmso_within", rules)


def _batches() -> Iterator[Cell]:
    for n_batches, n_plates in SIZES:
        screen = Screen(n_batches=n_batches, plates_per_batch=n_plates)
        rules = never("sound")
        if (n_batches, n_plates) == SIZES[-1]:
            rules = (*rules, Rule("under-normalizes", at_least=0.95))
        yield Cell("raw", f"{n_batches} x {n_plates}", screen, "raw", rules, 50)
    for name, changes, method, n_seeds in HIDDEN_BATCH:
        yield Cell("hidden batch", name, replace(BASE, **changes), method, never("sound"), n_seeds)
    yield Cell("hidden batch", "batches bend features", replace(BASE, bend=1.5), "dmso_within")


def _kept() -> Iterator[Cell]:
    """Yield cells that keep biology: affine by controls, harmless maps behind it, other distributions of features."""
    rule = Rule("over-normalizes", at_most=0.02)
    for method in ("dmso_within", *HARMLESS):
        changes, n_seeds = SPECIAL.get(method, {}), 50 if method in NAMED else 20
        yield Cell("kept", "5 x 4", replace(BASE, **changes), method, (rule, Rule("sound", at_least=0.8)), n_seeds)
        yield Cell("kept", "3 x 3", replace(SMALL, **changes), method, (rule,), n_seeds)
    for name in OTHER_FEATURES:
        yield Cell("kept", f"{name} features", replace(BASE, distribution=name), "dmso_within", (rule,))
    yield Cell("kept", "real control wells", replace(BASE, background="bbbc021"), "dmso_within", (rule,))


def _lost() -> Iterator[Cell]:
    for method in DESTROYED:
        screen = replace(BASE, **SPECIAL.get(method, {}))
        yield Cell("destroyed", "5 x 4", screen, method, (Rule("sound", at_most=0.05),))
    for method in LIMITS:
        yield Cell("destroyed a little", "5 x 4", BASE, method)


def _cheats() -> Iterator[Cell]:
    columns = replace(BASE, layout="edge_columns")
    for method in ("by_compound", "by_compound_apart", "by_role"):
        yield Cell("cheats", "5 x 4", BASE, method, never("sound"))
        yield Cell("cheats", "nothing there", NULL, method, never("sound"))
    for method in ("by_column", "by_usual_place"):
        yield Cell("cheats", "controls in outer columns", columns, method, never("sound"))


def _planted() -> Iterator[Cell]:
    rules = (Rule("over-normalizes", at_least=0.9),)
    rich = replace(BASE, active_on_plates=(0.1, 0.9))
    yield Cell("over-normalized", "phenotype-rich plates", rich, "all_within", rules)
    shifts = {"plate": 0.1, "gain": 0.0, "plate_gain": 0.0}  # what batch means remove, and no more
    confounded = replace(BASE, active_in_batches=(0.1, 0.3, 0.5, 0.7, 0.9), shared=2.0, **shifts)
    yield Cell("over-normalized", "active share follows the batch", confounded, "mean", rules)
    for scenario, method in (("phenotype_rich", "all_within"), ("confounded", "mean"), ("fixed_layout", "well_mean")):
        yield Cell("over-normalized", f"demo {scenario}", DemoScreen(scenario), method, rules)
    fixed = replace(BASE, layout="fixed_compounds")
    yield Cell("over-normalized", "compounds at fixed positions", fixed, "well_mean", rules)


def _present() -> Iterator[Cell]:
    shares = {
        "4% active": {"active": 0.04}, "15% active": {"active": 0.15}, "50% active": {},
        "diffuse": SPECIAL["small_values_zeroed"], "active in some batches": {"in_some_batches": True},
    }  # fmt: skip
    for name, changes in shares.items():
        yield Cell("something there", name, replace(BASE, **changes), "dmso_within", never("no signal"))
        if name != "50% active":
            yield Cell("something there", name, replace(BASE, **changes), "raw", never("no signal"))


def _textbook() -> Iterator[Cell]:
    rules = (Rule("leaks", at_least=0.9),)
    for n_controls in (4, 8, 16):
        for n_batches in (2, 3, 5):
            screen = Screen(n_batches=n_batches, n_controls=n_controls)
            yield Cell("textbook", f"{n_batches} batches, {n_controls} controls", screen, "dmso_within_textbook", rules)


def _pairs() -> Iterator[Cell]:
    """Yield cells that resemble real screens of two batches."""
    screens = {"simulated": two_batches(), "real control wells": two_batches(background="bbbc021")}
    for name, screen in screens.items():
        for method in ("raw", "dmso_within"):
            yield Cell("two batches", name, screen, method, never("no signal"))
        yield Cell("two batches", name, screen, "dmso_within_textbook", (Rule("leaks", at_least=0.9),))
