"""Remove secrets from text: passwords in addresses, and values of settings that are secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MASK = "***"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,40})://")
_END = re.compile(r"""\s|['"`](?=[,\])}:;]|\s|$)""")  # of a word; a quote in a password is not followed by these
_PORT = re.compile(r":\d{1,5}(?=[/?#,;'\"]|$)")
_WEB = ("http", "https", "ws", "wss", "s3", "gs", "abfs", "abfss", "wasbs")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}@")  # a user without a password that no person is called
_ENCODED_ACCOUNT = re.compile(r"(%3A%2F%2F[^\s%&/]*%3A)[^\s&]*(%40)", re.IGNORECASE)
_HEADER = re.compile(r"((?:Authorization\W{1,4}(?:Basic|Bearer|Token)|\bBearer)\s+)([\w.~+/=-]{16,})", re.IGNORECASE)

_EQUALS = re.compile(r"%25(?:25)?3D|%3D|=", re.IGNORECASE)
_KEY = re.compile(r"[\w.%~+-]{1,80}$")
_SECRET = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|api_?key|(?:access|account|private|secret)_?key"
    r"|(?:access|auth|refresh|session|security)_?token|shared_?access_?(?:key|signature))$"
)
_SECRET_OF_ADDRESS = {"token", "sig", "signature", "auth", "pass", "credential", "credentials", "sas", "jwt"}
_KEYS_OF_ADDRESS = ("key", "subscription_key", "x_functions_key")
_PLAIN_VALUE = {
    "'": re.compile(r"'(?:[^'\\]|\\.|'')*'"),
    '"': re.compile(r'"(?:[^"\\]|\\.|"")*"'),
    "{": re.compile(r"\{(?:[^}]|\}\})*\}"),
}
_ENCODED_BRACES = re.compile(r"(?:%25)*%7B.*?(?:%25)*%7D", re.IGNORECASE)
_ENCODED_END = re.compile(r"(?:%(?:25)*3B|[&\s])", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return ``text`` with ``***`` for every secret, e.g. ``postgresql://lab:***@db/optuna``.

    Secrets are the text between the first colon and the last ``@`` of an address (both may occur in a password), and
    the values of ``password=``, ``api_key=``, ``PWD%3D`` and the like; of ``token=``, ``sig=``, ``key=`` in addresses.
    """
    return _settings(_accounts(text, whole=False))


def redacted_value(text: str) -> str:
    """Return one value, or one ``key=value``, without secrets; an address in it may hold spaces."""
    return _settings(_accounts(text, whole="\n" not in text))


def redacted_config(node: Any) -> Any:
    """Return plain containers with ``***`` for secrets in their strings and for values of secret keys."""
    if isinstance(node, Mapping):
        return {
            key: MASK if value is not None and _is_secret(str(key)) else redacted_config(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [redacted_config(value) for value in node]
    return redacted_value(node) if isinstance(node, str) else node


def without_account(url: str) -> str:
    """Return an address without user and password, which clients then read from the environment."""
    match = _SCHEME.search(url)
    if match is None:
        return redacted(url)
    start, end = match.end(), _word_end(url, match.end())
    at = _account_end(match[1], url[start:end])
    if at is None:
        at = url.rfind("@", start, start + len(re.split(r"[/?#]", url[start:end], maxsplit=1)[0]))
        at = None if at < 0 else at - start
    return redacted(url if at is None else url[:start] + url[start + at + 1 :])


def _accounts(text: str, *, whole: bool) -> str:
    """Mask passwords of addresses; with ``whole`` an address goes to the end of ``text``."""
    parts, done, end = [], 0, len(text) if whole else 0
    for match in _SCHEME.finditer(text):
        start = match.end()
        if start < done:
            continue
        if start > end:
            end = _word_end(text, start)
        rest = text[start:end]
        at = _account_end(match[1], rest)
        if at is not None:
            parts += [text[done:start], rest[: rest.index(":")], ":", MASK]
            done = start + at
        elif token := _TOKEN.match(rest):
            parts += [text[done:start], MASK]
            done = start + token.end() - 1
    text = "".join([*parts, text[done:]])
    return _HEADER.sub(rf"\1{MASK}", _ENCODED_ACCOUNT.sub(rf"\1{MASK}\2", text))


def _word_end(text: str, start: int) -> int:
    end = _END.search(text, start)
    return end.start() if end else len(text)


def _account_end(scheme: str, rest: str) -> int | None:
    """Return the place of the ``@`` after ``user:password`` in the text after ``scheme://``; None without a password.

    ``host:5000/a@b`` has none in the web's schemes; in those of databases ``5000/a`` is the password.
    """
    colon, at = rest.find(":"), rest.rfind("@")
    if colon < 0 or at < colon or re.search(r"[/?#\[]", rest[:colon]):
        return None
    if (scheme.lower() in _WEB or "@" in rest[:colon]) and _PORT.match(rest, colon):
        return None
    return at


def _settings(text: str) -> str:
    """Mask values of settings that are secrets by their names."""
    parts, done = [], 0
    for equals in _EQUALS.finditer(text):
        if equals.start() < done or text[equals.end() : equals.end() + 1] == "=":
            continue
        key = _KEY.search(text, max(done, equals.start() - 80), equals.start())
        if key is None:
            continue
        in_query = _is_in_query(text, key.start())
        if not _is_secret(key[0], of_address=in_query):
            continue
        end = _value_end(text, equals, in_query=in_query)
        if end > equals.end():
            parts += [text[done : equals.end()], MASK]
            done = end
    return "".join([*parts, text[done:]])


def _is_in_query(text: str, start: int) -> bool:
    """Return whether a parameter of an address begins at ``start``: after ``?``, or after ``&`` behind one."""
    lead = text[start - 1 : start]
    return lead == "?" or (lead == "&" and "?" in text[max(0, start - 2000) : start].split()[-1])


def _is_secret(key: str, *, of_address: bool = False) -> bool:
    """Return whether the value of ``key``, which may be percent-encoded, is a secret."""
    name = unquote(unquote(unquote(key)))
    of_address = of_address or bool(re.search(r"[?&]", name))
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.split(r"[^\w.~+-]", name)[-1]).lower()
    name = re.sub(r"[.~+-]", "_", name)
    if _SECRET.search(name):
        return True
    return of_address and (name in _KEYS_OF_ADDRESS or not _SECRET_OF_ADDRESS.isdisjoint(name.split("_")))


def _value_end(text: str, equals: re.Match[str], *, in_query: bool) -> int:
    """Return the end of the value after ``equals``."""
    start = equals.end()
    if equals[0] != "=":
        braces = _ENCODED_BRACES.match(text, start)
        end = _ENCODED_END.search(text, braces.end() if braces else start)
        return min(end.start() if end else len(text), _word_end(text, start))
    pattern = _PLAIN_VALUE.get(text[start : start + 1])
    quoted = pattern.match(text, start) if pattern else None
    begin = quoted.end() if quoted else start
    stops = [place for sign in (";&" if in_query else ";") if (place := text.find(sign, begin)) >= 0]
    return min(_word_end(text, begin), *stops) if stops else _word_end(text, begin)
