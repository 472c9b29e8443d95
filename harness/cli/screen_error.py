"""Errors of the screen itself: every normalization of a sweep meets them, and they are printed once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException

from harness.cli.error_messages import format_error
from harness.core.exceptions import InputError


class ScreenError(InputError):
    """Bad input that every normalization of a sweep meets: the screen, or a setting of another group."""


@contextmanager
def as_screen_error() -> Iterator[None]:
    """Raise ScreenError in place of InputError, and of Hydra's error for settings that a reader refuses."""
    try:
        yield
    except (InputError, InstantiationException) as error:
        raise ScreenError(format_error(error)) from error
