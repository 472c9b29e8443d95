"""A file is replaced as a whole or stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.utils.atomic_write import atomic_write, write_text_atomically


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path, temporary=tmp_path / ".part") as temporary:
            assert temporary == tmp_path / ".part"
            temporary.write_text("half")
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    (path / "deeper").mkdir(parents=True)
    with pytest.raises(OSError, match="x"):
        write_text_atomically(path, "text")
    assert [other.name for other in tmp_path.iterdir()] == ["x"]


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "x", "µ\n")
    assert (tmp_path / "x").read_bytes() == b"\xc2\xb5\n"
