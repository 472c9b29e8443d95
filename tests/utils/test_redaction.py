"""Passwords in addresses are not shown, and nothing else is changed."""

from __future__ import annotations

import pytest

from harness.utils.redaction import redacted, without_account


@pytest.mark.parametrize(
    ("text", "shown", "bare"),
    [
        ("postgresql+psycopg://lab:s3c/r@t@db:5432/x", "postgresql+psycopg://lab:***@db:5432/x", "db:5432/x"),
        ("a: http://u:p@h\nb: http://h:5000/x", "a: http://u:***@h\nb: http://h:5000/x", "h:5000/x"),
        ("postgresql:///d?user=u&password=p&sslmode=x", "postgresql:///d?user=u&password=***&sslmode=x", "sslmode=x"),
        ("http://h/?access_token=abc", "http://h/?access_token=***", "***"),
        ("sqlite:///mlruns/mlflow.db a@b c:d@e", "sqlite:///mlruns/mlflow.db a@b c:d@e", "c:d@e"),
        ("http://127.0.0.1:5000/#/x?y=1", "http://127.0.0.1:5000/#/x?y=1", "y=1"),
        ("postgresql://lab@db/x", "postgresql://lab@db/x", "://db/x"),
    ],
)
def test_only_secrets_are_replaced(text: str, shown: str, bare: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown
    assert without_account(text).endswith(bare)
    assert "lab" not in without_account(text)
