"""Every place in the code that removes, replaces or overwrites something was looked at: a new one fails here.

Whoever adds one makes it recognize its own files by name and content, adds it to :mod:`test_foreign_files` with foreign
files beside, and then lists it here with what makes it safe.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from places import ROOT

ALWAYS = {"unlink", "rmdir", "rmtree", "removedirs", "remove", "renames", "move", "copytree", "copyfile", "truncate"}
WRITES = {"write_text", "write_bytes", "touch"}
RENAMES = {"rename", "replace"}  # of a path where they have one argument; of text, frames and profiles they have others
OPENS = {"open", "fdopen"}

TEMPORARY = "a temporary file or folder that this call made under a name of its own"
KNOWN = "recognized by name and content before"
PLACE = "takes the place of what was recognized, or of nothing"
NO_FILE = "no file"

REPLACING = {"atomic_write", "write_text_atomically"}  # their callers are listed, each with what makes it safe

REVIEWED = {
    ("harness/utils/atomic_write.py", "atomic_write", "replace"): "reviewed where it is called",
    ("harness/utils/atomic_write.py", "atomic_write", "unlink"): TEMPORARY,
    ("harness/utils/atomic_write.py", "write_text_atomically", "atomic_write"): "reviewed where it is called",
    ("harness/utils/atomic_write.py", "write_text_atomically", "write_text"): TEMPORARY,
    ("harness/utils/hashing.py", "file_hash_cache", "write_text_atomically"): KNOWN,
    ("harness/utils/output_file.py", "write_output", "write_text_atomically"): KNOWN,
    (
        "harness/norm/engine/serialization.py",
        "replacing",
        "atomic_write",
    ): "what the user named, if it is a file, and only with force=true",
    ("harness/run/checkpoint/table_file.py", "write_table", "atomic_write"): PLACE,
    ("harness/tracking/outbox.py", "_write", "write_text_atomically"): "in an outbox",
    ("harness/apply/profiles.py", "apply_config", "write_text"): TEMPORARY,
    ("harness/utils/worker_pool.py", "BackgroundTasks.results", "remove"): NO_FILE,
    ("harness/utils/worker_pool.py", "_pickled", "write_bytes"): TEMPORARY,
    ("harness/store/entry_contents.py", "remove_contents", "rmdir"): "a folder of an entry, which is empty",
    ("harness/store/entry_contents.py", "remove_contents", "unlink"): "a file of an entry, by its name and place",
    ("harness/store/lru_cache.py", "_remove", "rename"): KNOWN,
    (
        "harness/store/lru_cache.py",
        "DirectoryCache._make",
        "rename",
    ): "refused by the system if a folder with content is there",
    ("harness/cli/worker_channel.py", "WorkerChannel.start_job", "touch"): "in a folder that the sweep made",
    ("harness/cli/worker_channel.py", "WorkerChannel.close", "rmdir"): "in a folder that the sweep made",
    ("harness/cli/worker_channel.py", "WorkerChannel.close", "unlink"): "in a folder that the sweep made, by name",
    ("harness/cli/worker_channel.py", "WorkerChannel.send", "replace"): "in a folder that the sweep made",
    ("harness/cli/worker_channel.py", "WorkerChannel.send", "write_text"): "in a folder that the sweep made",
    ("harness/cli/worker_channel.py", "WorkerChannel.stop", "touch"): "in a folder that the sweep made",
    ("harness/cli/worker_channel.py", "WorkerChannel.receive", "unlink"): "in a folder that the sweep made, by name",
    ("harness/cli/sweep.py", "relay_job_output", "remove"): NO_FILE,
    ("harness/compare/comparison_group.py", "comparison_group", "rename"): NO_FILE,
    ("harness/store/checksums.py", "Checksums._refuse", "touch"): "an empty file in an entry of the cache",
    ("harness/store/manifest.py", "write_manifest", "write_text"): "in an entry that is being made",
    ("harness/data/columns/metadata_join.py", "Join._rows_by_key", "rename"): NO_FILE,
    ("harness/store/writer.py", "NpyAppender.__init__", "open"): "in an entry that is being made",
    ("harness/explore/stored.py", "with_scores", "rename"): NO_FILE,
    ("harness/utils/file_lock.py", "_holding", "unlink"): "the lock that is held, and empty",
    ("harness/montage/contact_sheet.py", "write_contact_sheet", "open"): TEMPORARY,
    ("harness/norm/engine/serialization.py", "save", "open"): TEMPORARY,
    ("harness/utils/output_file.py", "write_output", "write_text"): "a device",
    ("harness/utils/interruption.py", "before_raise", "remove"): NO_FILE,
    ("harness/settings/yaml_file.py", "_check_size", "remove"): NO_FILE,
    ("harness/utils/interruption.py", "before_forced_exit", "remove"): NO_FILE,
    ("harness/run/checkpoint/table_file.py", "remove_temporaries", "unlink"): KNOWN,
    ("harness/run/checkpoint/table_file.py", "write_table", "open"): TEMPORARY,
    ("harness/run/checkpoint/checkpoint.py", "FileCheckpoints.clear", "unlink"): KNOWN,
    ("harness/run/checkpoint/checkpoint.py", "_remove", "unlink"): KNOWN,
    (
        "harness/tracking/requests.py",
        "write_files",
        "write_bytes",
    ): "in a folder that the caller made, never outside of it",
    ("harness/tracking/database.py", "_make", "rename"): PLACE,
    ("harness/tracking/database.py", "_remove_unfinished", "unlink"): KNOWN,
    ("harness/tracking/outbox.py", "PendingRequest.remove", "rename"): "in an outbox",
    ("harness/tracking/outbox.py", "RunOutbox.begin", "rename"): "to a name that is drawn",
    ("harness/tracking/outbox.py", "RunOutbox.append", "rename"): "in an outbox",
    ("harness/tracking/outbox.py", "RunOutbox.append", "touch"): "in an outbox",
    ("harness/tracking/outbox.py", "RunOutbox.remove", "rmdir"): "an outbox, which is empty",
    ("harness/tracking/outbox.py", "RunOutbox.remove", "unlink"): "in an outbox, by name",
    ("harness/tracking/outbox.py", "_remove_entry", "rmdir"): "a request of an outbox, which is empty",
    ("harness/tracking/outbox.py", "_remove_entry", "rmtree"): "the files of a request of an outbox",
    ("harness/tracking/outbox.py", "_remove_entry", "unlink"): "in a request of an outbox, by name",
}


def test_every_place_that_removes_or_overwrites_was_reviewed() -> None:
    there = {place for path in sorted(ROOT.glob("harness/**/*.py")) for place in places(path)}
    assert there - set(REVIEWED) == set(), "new places: see the text at the top of this file"
    assert set(REVIEWED) - there == set(), "places that are gone: take them off the list"


def test_what_is_looked_for() -> None:
    text = (
        "import os, shutil\nclass A:\n  def f(self, p):\n"
        "    p.unlink(); shutil.rmtree(p); os.replace(p, p); p.replace(p); p.rename(p); os.remove(p)\n"
        "    open(p, 'w'); p.open('xb'); p.open(mode='a'); os.open(p, os.O_CREAT)\n"
        "def g(p, text, frame):\n"
        "    text.replace('a', 'b'); frame.rename(columns={}); p.open(); p.open('rb'); open(p)\n"
    )
    names = [name for _, name in _calls(ast.parse(text))]
    assert names == ["unlink", "rmtree", "replace", "replace", "rename", "remove", "open", "open", "open", "open"]


def places(path: Path) -> set[tuple[str, str, str]]:
    """File, function and name of each call that removes or overwrites."""
    file = path.relative_to(ROOT).as_posix()
    return {(file, function, name) for function, name in _calls(ast.parse(path.read_text("utf-8")))}


def _calls(node: ast.AST, inside: str = "") -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            outer = inside if isinstance(node, ast.FunctionDef) else f"{inside}.{child.name}".lstrip(".")
            yield from _calls(child, outer)
            continue
        if isinstance(child, ast.Call) and (name := _dangerous(child)):
            yield inside, name
        yield from _calls(child, inside)


def _dangerous(call: ast.Call) -> str | None:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    of_os = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "os"
    if name in ALWAYS | WRITES | REPLACING:
        return None if name == "remove" and not call.args and not of_os else name
    if name in RENAMES:
        return name if of_os or (len(call.args) == 1 and not call.keywords) else None
    if name in OPENS:
        words = ast.unparse(call)
        modes = [*call.args[:2], *(word.value for word in call.keywords if word.arg == "mode")]
        texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
        writing = any(set(text) <= set("rwxabt+") and set(text) & set("wxa+") for text in texts)
        return name if writing or "O_CREAT" in words or "O_TRUNC" in words else None
    return None
