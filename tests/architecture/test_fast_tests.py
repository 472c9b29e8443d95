"""``make test-fast`` touches every package."""

from __future__ import annotations

import pytest
from places import ROOT

SERVERS = "server"  # run by make test-server only
PACKAGES = sorted(
    {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} - {SERVERS},
)


@pytest.mark.parametrize("package", PACKAGES)
def test_some_tests_of_a_package_are_fast(package: str) -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "tests" / package).glob("test_*.py")]
    assert any("pytestmark" not in source or "mark.slow" not in source for source in sources)
