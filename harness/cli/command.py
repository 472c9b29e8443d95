"""A command whose settings are Hydra's: once or for each job of a sweep, every error in one plain line."""

from __future__ import annotations

import sys
from concurrent.futures.process import BrokenProcessPool

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.cli.attempt import BAD_INPUT, CRASHED, INTERRUPTED, Body, attempt, attempt_elsewhere, settle
from harness.cli.config_source import check_files
from harness.cli.disk import telling_of_disk
from harness.cli.mailbox import Mailbox
from harness.cli.messages import CONF, plain
from harness.cli.sweep import listening
from harness.cli.words import check_sizes, check_words
from harness.types import InputError


def command(config_name: str, body: Body) -> int:
    """Compose ``conf/<config_name>.yaml`` with the command line and do ``body``, once or for each job of a sweep.

    Exit status: 0 all computed, 2 bad configuration or input (one line on stderr), 130 interrupted, 1 with a traceback
    otherwise.

    In a sweep a run that fails for its input leaves its line; the others go on, and the status is 2, wherever they run.
    """
    body = telling_of_disk(body)
    settle()
    statuses: list[int] = []
    mailbox = Mailbox()

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def job(cfg: DictConfig) -> None:
        if mailbox.is_here:
            statuses.append(attempt(cfg, body))
        else:
            attempt_elsewhere(cfg, body, mailbox)

    try:
        check_sizes(sys.argv[1:])
        sys.argv[1:] = map(_readable, sys.argv[1:])
        check_files()
        check_words(sys.argv[1:])
        with listening(mailbox, statuses):
            job()
    except (HydraException, OmegaConfBaseException, InputError) as error:
        return _said(plain(error, config_name), BAD_INPUT)
    except BrokenProcessPool:
        return _said(_KILLED, CRASHED)
    except KeyboardInterrupt:
        return _said("interrupted", INTERRUPTED)
    return next((status for status in (INTERRUPTED, CRASHED, BAD_INPUT) if status in statuses), 0)


_KILLED = (
    "a worker was killed, e.g. for want of memory; set hydra.launcher.n_jobs to fewer workers and start the sweep again"
)


def _said(line: str, status: int) -> int:
    print(f"harness: {line}", file=sys.stderr)
    return status


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
