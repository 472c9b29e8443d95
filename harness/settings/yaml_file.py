"""Read a user's yaml safely: encoding, syntax, size after expansion, and the lines of its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1_000_000
MOST_VALUES = 10_000  # after anchors are expanded
DEEPEST = 50  # levels
_YAML = "tag:yaml.org,2002:"
_TAGS = [f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge")]
_KEY_TAGS = [f"{_YAML}{name}" for name in ("str", "int", "timestamp", "merge")]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """Unusable yaml; the message is one line with the file and, if known, the line number."""


def compose_yaml(path: Path) -> yaml.Node | None:
    """Parse a yaml file into its tree of nodes.

    Raises
    ------
    YamlError : no text in UTF-8, empty, broken syntax, a key twice, anchors that contain themselves or expand too much,
        too large or too deep, or no mapping.
    """
    raw = path.read_bytes()
    if len(raw) > MOST_BYTES:
        raise YamlError(f"{path}: {len(raw):,} bytes; expected settings, at most {MOST_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        byte = raw[error.start]
        raise YamlError(f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise YamlError(f"{path}{_described(error, text)}") from error
    except RecursionError as error:
        raise YamlError(f"{path}: nested too deeply; expected at most {DEEPEST} levels") from error
    if node is None:
        raise YamlError(f"{path}: is empty; expected settings, each as `name: value`")
    if not isinstance(node, yaml.MappingNode):
        word = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise YamlError(f"{path}, line {_line(node)}: is {word}; expected settings, each as `name: value`")
    _check_size(node, path)
    _check_nodes(node, path)
    for key, value in node.value:
        if key.value == "defaults":
            _check_defaults(value, path)
    return node


def _described(error: yaml.YAMLError, text: str) -> str:
    """Return ``, line N: PROBLEM`` of an error of the yaml parser."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    remedy = "; indent with blanks, not with tabs" if "\t" in line[: len(line) - len(line.lstrip())] else ""
    place = f", line {mark.line + 1}" if mark is not None else ""
    return f"{place}: is no yaml ({problem}){remedy}"


def key_lines(path: Path) -> dict[tuple[str, ...], int]:
    """Return the line of each key of a yaml file by its path within the file; empty if the file cannot be read."""
    try:
        node = compose_yaml(path)
    except (YamlError, OSError):
        return {}
    return dict(_keys(node, ()))


def _keys(node: yaml.Node | None, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        path = (*above, *str(key.value).split("."))
        yield path, _line(key)
        yield from _keys(value, path)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _check_size(root: yaml.Node, path: Path) -> None:
    """Count the values after expansion of all anchors, without expanding them."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in open_nodes:
            raise YamlError(f"{path}, line {_line(node)}: an anchor contains itself; write out what is meant")
        if depth > DEEPEST:
            raise YamlError(f"{path}, line {_line(node)}: nested too deeply; expected at most {DEEPEST} levels")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            parts = _parts(node)
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in parts)
            open_nodes.remove(id(node))
        return sizes[id(node)]

    if (total := size(root, 0)) > MOST_VALUES:
        number = f"{total:,}" if total < 10**12 else f"over {10**12:,}"
        raise YamlError(
            f"{path}: stands for {number} values once its anchors (&, *) are replaced; expected at most {MOST_VALUES:,}"
        )


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_nodes(node: yaml.Node, path: Path) -> None:
    """Refuse keys that are no names or occur twice, and tags, which could build objects."""
    if node.tag not in _TAGS:
        raise YamlError(f"{path}, line {_line(node)}: the tag {node.tag.removeprefix(_YAML)} has no place in settings")
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        line = _line(key)
        if key.tag not in _KEY_TAGS:
            word = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise YamlError(f"{path}, line {line}: {word!r} as a key is no name; put it in quotes")
        if key.value in lines and key.value != "<<":
            raise YamlError(
                f"{path}, line {line}: {key.value!r} stands in line {lines[key.value]} already; write each key once"
            )
        lines[key.value] = line
        _check_nodes(value, path)
    for part in node.value if isinstance(node, yaml.SequenceNode) else ():
        _check_nodes(part, path)


def _check_defaults(node: yaml.Node, path: Path) -> None:
    """Refuse defaults that are no list, or whose members are no names."""
    form = "expected a list of `- group: member`"
    if not isinstance(node, yaml.SequenceNode):
        raise YamlError(f"{path}, line {_line(node)}: defaults is no list; {form}")
    for entry in node.value:
        pairs = entry.value if isinstance(entry, yaml.MappingNode) else [(entry, None)]
        members = [part for _, member in pairs if member is not None for part in _entries(member)]
        for part in [*(key for key, _ in pairs), *members]:
            if not isinstance(part, yaml.ScalarNode) or part.tag not in (f"{_YAML}str", f"{_YAML}null"):
                raise YamlError(f"{path}, line {_line(part)}: the defaults name something that is no text; {form}")


def _entries(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def file_texts(path: Path, group: str) -> dict[str, Any]:
    """Return the values of a yaml as they are written, nested as in the configuration; empty if it cannot be read.

    ``group``: of the file; its settings belong below it unless the file begins with ``# @package _global_``.
    """
    try:
        node = compose_yaml(path)
    except (YamlError, OSError):
        return {}
    tree = _texts(node)
    header = path.read_text("utf-8").lstrip().partition("\n")[0]
    if "@package" in header:
        return tree if "_global_" in header else {}
    for name in reversed(group.split("/")):
        tree = {name: tree}
    return dict(tree)


def _texts(node: yaml.Node | None) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _texts(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_texts(part) for part in node.value]
    return node.value if isinstance(node, yaml.ScalarNode) and not node.style else None
