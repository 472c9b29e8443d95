"""A command whose settings are Hydra's: once or for each job of a sweep, every error in one plain line."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from sklearn.utils._param_validation import InvalidParameterError

from harness.cli.disk import telling_of_disk
from harness.cli.messages import CONF, plain
from harness.types import InputError, NotApplicable

BAD_INPUT = 2
INTERRUPTED = 130
MISTAKES = (InputError, NotApplicable, OmegaConfBaseException, InstantiationException, InvalidParameterError)


def command(config_name: str, body: Callable[[DictConfig], None]) -> int:
    """Compose ``conf/<config_name>.yaml`` with the command line and do ``body``, once or for each job of a sweep.

    Exit status: 0 all computed, 2 bad configuration or input (one line on stderr), 1 with a traceback otherwise.

    In a sweep a run that fails for its input leaves its line; the others go on, and the status is 2.
    """
    body = telling_of_disk(body)
    logging.basicConfig(format="harness: %(message)s", level=logging.WARNING, stream=sys.stderr, force=True)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors arrive here as they are
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    refused: list[str] = []

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def job(cfg: DictConfig) -> None:
        try:
            body(cfg)
        except MISTAKES as error:
            label, text = _label(), plain(error)
            refused.append(label + text.removeprefix(label))
            print(f"harness: {refused[-1]}", file=sys.stderr)

    sys.argv[1:] = map(_readable, sys.argv[1:])
    try:
        job()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"harness: {plain(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return INTERRUPTED
    return BAD_INPUT if refused else 0


def _readable(argument: str) -> str:
    """``key=value`` as Hydra's grammar can read it: a regular expression or a query is put in quotes."""
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        quote = "'" if "'" not in value else '"'
        return argument if quote in value else f"{key}={quote}{value}{quote}"
    return argument


def _label() -> str:
    """The normalization as it was asked for."""
    asked = [word.partition("=")[2] for word in HydraConfig.get().overrides.task if word.startswith("+norm=")]
    return f"{asked[0]}: " if asked else ""


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Each warning once, as one line, without the source line that raised it."""
    _warn_once(str(message))


@cache
def _warn_once(message: str) -> None:
    print(f"harness: warning: {message}", file=sys.stderr)
