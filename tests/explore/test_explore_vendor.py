"""The vendored drawing library is the one that was reviewed."""

from __future__ import annotations

import hashlib

import pytest
from places import ROOT

VENDOR = ROOT / "harness" / "explore" / "vendor"
CHECKSUMS = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text("ascii").splitlines())


def test_all_files_of_the_library_have_a_checksum() -> None:
    assert set(CHECKSUMS) == {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS", "node_modules"}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_files_are_unchanged(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == CHECKSUMS[name]
