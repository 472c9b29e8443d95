"""Progress bars: on a terminal, and nowhere else."""

from __future__ import annotations

import io

import pytest

from harness.utils.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _steps() -> None:
    with progress_bar("raw", 2) as step:
        step("logistic, b1 held out")
        step("umap")


def test_nothing_is_printed_where_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    _steps()
    assert capfd.readouterr() == ("", "")


def test_a_terminal_shows_title_step_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    _steps()
    shown = terminal.getvalue()
    assert "raw: umap" in shown
    assert "2/2" in shown


def test_markup_in_a_name_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar("[red]raw[/red]", 1) as step:
        step("plate [/bold] held out")
    assert "[red]raw[/red]: plate [/bold] held out" in terminal.getvalue()


def test_an_error_goes_through() -> None:
    with pytest.raises(RuntimeError, match="inside"), progress_bar("raw", 1):
        raise RuntimeError("inside")
