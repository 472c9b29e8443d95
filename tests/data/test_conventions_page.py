"""docs/conventions.md says what the facts in the code say."""

from __future__ import annotations

from places import ROOT

from harness.data.conventions.control_names import DMSO_NAMES, JCP2022, TYPES
from harness.data.conventions.names import PREFIXES, ROLE, SOLVENT, SOURCE, WORDS

PAGE = ROOT / "docs" / "conventions.md"


def rows() -> list[str]:
    """Lines of the page's tables that the facts ask for."""
    words = [f"| {name} | {', '.join(words)} |" for name, words in WORDS.items()]
    words += [
        f"| {what} | {', '.join(w)} |" for what, w in (("laboratory", SOURCE), ("solvent", SOLVENT), ("type", ROLE))
    ]
    roles = dict.fromkeys(TYPES.values())
    types = [f"| {role} | {', '.join(value for value, r in TYPES.items() if r == role)} |" for role in roles]
    ids = [
        f"| {role} | {', '.join(i for i, r in JCP2022.items() if r == role)} |"
        for role in dict.fromkeys(JCP2022.values())
    ]
    return [*words, *types, *ids]


def test_the_page_has_every_name_and_no_other() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ") and not line.startswith(("| column ", "| role ", "| --"))]
    assert table == rows()
    text = "\n".join(lines)
    assert f"prefixes {', '.join(f'`{prefix}`' for prefix in PREFIXES if prefix)} and none" in text
    assert all(name in text for name in DMSO_NAMES)
