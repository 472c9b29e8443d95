"""Normalizations one after the other, each in its own scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer, check_scope
from harness.settings.limits import NotEmpty

_WIDTH = list(FitScope)
_OWN_ROWS = {FitScope.PLATE, FitScope.BATCH}


class Chain(Normalizer):
    """x -> step_n(... step_2(step_1(x))) (scope: the rows that its steps may read together).

    Each step is fitted in its own scope, by the harness: a second step of scope ``train`` is fitted on the training
    rows only, as the first has transformed them. Nothing is written: a plate passes through the first steps whenever
    a later one reads it. A chain within a chain counts as its steps.

    Parameters
    ----------
    steps : normalizers, at least one.

    Raises
    ------
    InputError : no steps, or something that is not a normalization.

    Notes
    -----
    The scope of a chain is the widest of its steps', in the order plate, batch, train, train_and_controls,
    transductive; but training rows *and* rows of the plate at hand are no longer ``train``: with a step of scope plate
    it is at least ``train_and_controls``, and with one of scope batch, which also reads the treated wells of other
    held-out plates, ``transductive``. Steps that read nothing do not count. It over-normalizes where any step does.
    """

    stages_: list[Normalizer] | None = None  # after a fit

    def __init__(self, *, steps: Annotated[Sequence[Normalizer], NotEmpty()]) -> None:
        self.steps = steps

    @property
    def scope(self) -> FitScope:  # type: ignore[override]
        """The rows that the steps may read together."""
        scopes = {check_scope(step.scope) for step in self.stages() if _reads(step)} or {FitScope.TRAIN}
        widest = max(scopes, key=_WIDTH.index)
        if widest in _OWN_ROWS or not scopes & _OWN_ROWS:
            return widest
        least = FitScope.TRANSDUCTIVE if FitScope.BATCH in scopes else FitScope.TRAIN_AND_CONTROLS
        return max(widest, least, key=_WIDTH.index)

    @property
    def is_monotone(self) -> bool:  # type: ignore[override]
        """Whether all steps are monotone."""
        return all(step.is_monotone for step in self.stages())

    @property
    def needs_planted(self) -> bool:  # type: ignore[override]
        """Whether any step needs the planted truth."""
        return any(step.needs_planted for step in self.stages())

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        """Modules of optional extras that the steps need."""
        return tuple(dict.fromkeys(module for step in self.stages() for module in step.requires))

    def stages(self) -> list[Normalizer]:
        """Return the steps, those of inner chains in their place; the fitted ones after a fit."""
        if self.stages_ is not None:
            return self.stages_
        if isinstance(self.steps, str) or not len(self.steps):
            raise InputError(f"chain: steps={self.steps!r}; expected a list of normalizations, at least one")
        wrong = [step for step in self.steps if not isinstance(step, Normalizer)]
        if wrong:
            raise InputError(f"chain: {wrong[0]!r} is no normalization; expected _target_: harness.norm.NAME.CLASS")
        return [stage for step in self.steps for stage in step.stages()]

    def with_stages(self, stages: Sequence[Normalizer]) -> Self:
        chain = type(self)(steps=self.steps)
        chain.stages_ = list(stages)
        return chain

    def fit(self, plates: Any) -> Self:  # noqa: ARG002
        raise TypeError("a chain is fitted by harness.norm.engine.normalize, step by step: use its normalize or fit")

    def transform(self, plate: Plate) -> Floats:  # noqa: ARG002
        raise TypeError(
            "a chain is applied by harness.norm.engine.normalize, step by step: use its normalize or stream"
        )


def _reads(step: Normalizer) -> bool:
    """Return whether the step learns anything from the plates of its scope."""
    cls = type(step)
    return cls.fit is not Normalizer.fit or cls.adapt is not Normalizer.adapt or step.scope in _OWN_ROWS
