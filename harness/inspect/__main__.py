"""``python -m harness.inspect``: what is in the files of a screen, what applies to it, and the command to copy."""

from __future__ import annotations

import sys

from harness.inspect.command import cli

if __name__ == "__main__":
    sys.exit(cli())
