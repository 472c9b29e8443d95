"""``python -m harness +norm=NAME``: evaluate one normalization; ``-m`` sweeps several."""

from __future__ import annotations

import sys

from harness.cli.app import cli

if __name__ == "__main__":
    sys.exit(cli())
