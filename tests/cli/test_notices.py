"""Warnings and logs: one line each, named after the package that they come from."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest
from sklearn.exceptions import ConvergenceWarning

from harness.cli.notices import configure_process, print_once, relay_stderr


@pytest.fixture(autouse=True)
def _settled() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, show = root.handlers[:], root.level, warnings.showwarning
    configure_process()
    yield
    root.handlers, warnings.showwarning = handlers, show
    root.setLevel(level)


def _warn(category: type[Warning], filename: str) -> None:
    warnings.warn_explicit("odd", category, filename, 1, module="m", registry={})


@pytest.mark.parametrize(
    ("category", "filename", "line"),
    [
        (UserWarning, "/somewhere/harness/data/tables.py", "harness: warning: odd\n"),
        (UserWarning, "/x/site-packages/umap/umap_.py", "umap: warning: odd\n"),
        (UserWarning, "/x/site-packages/six.py", "six: warning: odd\n"),
        (RuntimeWarning, "/x/dist-packages/numpy/core/x.py", "numpy: warning: odd\n"),
        (ConvergenceWarning, "/somewhere/harness/scoring/evaluate.py", "sklearn: warning: odd\n"),
        (ImportWarning, "/x/site-packages/umap/__init__.py", ""),
        (FutureWarning, "/x/site-packages/sklearn/base.py", ""),
        (FutureWarning, "/somewhere/harness/data/tables.py", "harness: warning: odd\n"),
    ],
)
def test_a_warning_has_the_name_of_its_package(
    category: type[Warning], filename: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_process()
        _warn(category, filename)
        _warn(category, filename)
    assert capsys.readouterr().err == line


def test_logs_have_the_name_of_their_package_and_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_process()
    logging.getLogger("harness").warning("plates %s", "P1")
    logging.getLogger("tensorflow.core").warning("no GPU at http://u:S3cr.t@h")
    assert capsys.readouterr().err == "harness: plates P1\ntensorflow: no GPU at http://u:***@h\n"


def test_a_line_is_said_once_for_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        print_once("harness: 516 features")
        relay_stderr("harness: 516 features\nsklearn: warning: odd\nsklearn: warning: odd\nharness: mean: other\n")
    assert capsys.readouterr().err == "harness: 516 features\nsklearn: warning: odd\nharness: mean: other\n"
    configure_process()
    print_once("harness: 516 features")
    assert capsys.readouterr().err == "harness: 516 features\n"


def test_tracebacks_of_workers_are_relayed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Traceback (most recent call last):\n  File x\nValueError: a\n"
    relay_stderr(text)
    relay_stderr(text)
    assert capsys.readouterr().err == 2 * text
