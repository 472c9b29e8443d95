"""Run a command with Hydra's configuration, once or for each job of a sweep; every error is one plain line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.cli.argument_order import Arguments, parse_arguments
from harness.cli.check_overrides import check_overrides, check_sizes
from harness.cli.config_source import register_config_source
from harness.cli.disk_errors import translate_disk_errors
from harness.cli.error_messages import CONF, format_error
from harness.cli.hydra_plugins import register_plugins
from harness.cli.job import Body, run_job, run_job_in_worker
from harness.cli.notices import configure_process, print_once
from harness.cli.sweep import relay_job_output
from harness.cli.sweep_counts import FAILED
from harness.cli.worker_channel import JobResult, WorkerChannel
from harness.core.exceptions import InputError
from harness.program.run_program import BAD_INPUT, CRASHED
from harness.utils.file_kinds import is_working_folder_deleted
from harness.utils.interruption import INTERRUPTED, TERMINATED, interrupt_message, status_of

_WORST_FIRST = (TERMINATED, INTERRUPTED, CRASHED, BAD_INPUT)
_KILLED = (
    "a worker was killed, e.g. for want of memory; set hydra.launcher.n_jobs to fewer workers and start the sweep again"
)


def command(config_name: str, body: Body, results: list[JobResult] | None = None) -> int:
    """Compose ``conf/<config_name>.yaml`` with the command line and call ``body``, once or for each job of a sweep.

    Exit status: 0 all computed, 2 bad configuration or input (one line on stderr), 130 interrupted, 143 terminated, 1
    with a traceback otherwise.

    In a sweep a run that fails for its input leaves its line; the others go on, and the status is 2, wherever they run.

    Parameters
    ----------
    results : receives the result of each job that ended, wherever it ran.
    """
    body = translate_disk_errors(body)
    configure_process()
    results = [] if results is None else results
    started: list[int] = []
    channel = WorkerChannel()

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def job(cfg: DictConfig) -> None:
        started.append(1)
        if channel.is_local:
            _run_locally(cfg, body, results)
        else:
            run_job_in_worker(cfg, body, channel)

    try:
        line = _parse_command_line()
        if "help" in line.values:
            from harness.cli.help_text import help_text

            print(help_text(config_name, line.overrides, line.values.get("config_dir")))
            return 0
        check_overrides(sys.argv[1:])
        register_plugins()
        with relay_job_output(channel, results):
            job()
    except (HydraException, OmegaConfBaseException, InputError) as error:
        return _report(format_error(error, config_name), BAD_INPUT)
    except OSError as error:
        if started:
            raise
        return _report(_folder_error(error), BAD_INPUT)
    except BrokenProcessPool:
        return _report(_KILLED, CRASHED)
    except KeyboardInterrupt as interrupt:
        status = status_of(interrupt)
        return _report(interrupt_message(status), status)
    return _worst_status(results)


def _run_locally(cfg: DictConfig, body: Body, results: list[JobResult]) -> None:
    """Run a job in this process; one that is interrupted counts as failed."""
    try:
        results.append(run_job(cfg, body))
    except KeyboardInterrupt as interrupt:
        results.append(JobResult(status_of(interrupt), FAILED))
        raise


def _parse_command_line() -> Arguments:
    """Parse the command line, and rewrite ``sys.argv`` in a form that Hydra reads."""
    line = parse_arguments(sys.argv[1:])
    check_sizes(line.overrides)
    line = replace(line, overrides=[_readable(word) for word in line.overrides])
    sys.argv[1:] = [*line.options, *line.overrides]
    register_config_source()
    return line


def _worst_status(results: Sequence[JobResult]) -> int:
    statuses = {result.status for result in results}
    return next((status for status in _WORST_FIRST if status in statuses), 0)


def _folder_error(error: OSError) -> str:
    """Return the line about an error of the working folder, or of a folder that Hydra makes."""
    if is_working_folder_deleted():
        return "the working folder was deleted; change into one that exists"
    folder = f"the folder {error.filename} cannot be made or read ({error.strerror})"
    return f"{folder}; leave hydra.run.dir and hydra.sweep.dir out, or set them to other folders"


def _report(line: str, status: int) -> int:
    """Print the line of an error and return the exit status."""
    print_once(f"harness: {line}")
    return status


def _readable(argument: str) -> str:
    """Return ``key=value`` in a form that Hydra's grammar reads: a regular expression or a query in quotes."""
    key, equals, value = argument.partition("=")
    if not equals:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        quote = "'" if "'" not in value else '"'
        return argument if quote in value else f"{key}={quote}{value}{quote}"
    return argument
