"""Read overrides literally: Hydra takes ``2021_08`` for the number 202108, which is no plate of any screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from antlr4 import CommonTokenStream, InputStream, Token
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.grammar.gen.OverrideLexer import OverrideLexer
from omegaconf import OmegaConf

_VALUES = (OverrideLexer.INT, OverrideLexer.FLOAT, OverrideLexer.BOOL)
_BEFORE = (OverrideLexer.EQUAL, OverrideLexer.BRACKET_OPEN, OverrideLexer.COMMA, OverrideLexer.COLON)
_AFTER = (OverrideLexer.BRACKET_CLOSE, OverrideLexer.BRACE_CLOSE, OverrideLexer.COMMA, Token.EOF)


def task_overrides() -> list[str]:
    """Return the overrides of this job as on the command line, ``${..}`` not resolved."""
    if not HydraConfig.initialized():
        return []
    words = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return [str(word) for word in words] if isinstance(words, list) else []


def parse_override(word: str) -> Override | None:
    """Return an override as Hydra reads it; None if it cannot."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def quote_values(word: str) -> str:
    """Return the override with quotes around numbers and truth values, so that Hydra reads text."""
    lexer = OverrideLexer(InputStream(word))
    lexer.removeErrorListeners()
    stream = CommonTokenStream(lexer)
    stream.fill()
    tokens = [token for token in stream.tokens if token.type != OverrideLexer.WS]
    if any(token.type == OverrideLexer.POPEN for token in tokens):
        return word
    places = [
        token
        for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if token.type in _VALUES and before.type in _BEFORE and after.type in _AFTER
    ]
    for token in reversed(places):
        word = f"{word[: token.start]}'{token.text}'{word[token.stop + 1 :]}"
    return word


def literal_texts(words: Iterable[str]) -> dict[str, Any]:
    """Return the values that overrides assign, nested like a configuration, with numbers as they were written."""
    tree: dict[str, Any] = {}
    for word in words:
        override = parse_override(quote_values(word))
        if override is None or override.is_delete() or override.is_sweep_override():
            continue
        *parents, last = override.key_or_group.split(".")
        node = tree
        for name in parents:
            if not isinstance(node.get(name), dict):
                node[name] = {}
            node = node[name]
        value, below = override.value(), node.get(last)
        if isinstance(below, dict) and isinstance(value, Mapping):
            node[last] = {**below, **value}
        elif not isinstance(below, dict):  # else the choice of a member, after settings of it
            node[last] = value
    return tree
