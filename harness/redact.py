"""Addresses without the secrets in them."""

from __future__ import annotations

import re

_ACCOUNT = re.compile(r"(://[^\s:/@?#]*):\S*@")  # user:password@, to the last @ of the word
_SETTING = re.compile(r"([?&][a-z_]*(?:password|passwd|secret|token)[a-z_]*=)[^\s&'\"]*", re.IGNORECASE)
_USER = re.compile(r"(://)[^\s/?#]*@")


def redacted(text: str) -> str:
    """``text`` with ``***`` for every password in an address, e.g. ``postgresql://lab:***@db/optuna``."""
    return _SETTING.sub(r"\1***", _ACCOUNT.sub(r"\1:***@", text))


def without_account(url: str) -> str:
    """An address without user and password, which clients then take from the environment."""
    return _USER.sub(r"\1", redacted(url))
