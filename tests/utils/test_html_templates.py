"""Templates escape their values, and miss none."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

from harness.utils.html_templates import html_templates

TEMPLATE = '{% if name %}\n<p title="{{ name }}">{{ name }}</p>\n{% endif %}\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = tmp_path.name  # another for each test: modules that were imported stay
    (tmp_path / name / "parts").mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "parts" / "name.txt").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_values_are_text_and_markup_is_markup(package: str) -> None:
    template = html_templates(package, "parts").get_template("name.txt")
    assert template.render(name="<b>\"'&") == '<p title="&lt;b&gt;&#34;&#39;&amp;">&lt;b&gt;&#34;&#39;&amp;</p>\n'
    assert template.render(name=Markup("<b>")) == '<p title="<b>"><b></p>\n'
    assert template.render(name="{{ 7 * 7 }}") == '<p title="{{ 7 * 7 }}">{{ 7 * 7 }}</p>\n'


def test_a_missing_value_is_an_error(package: str) -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        html_templates(package, "parts").get_template("name.txt").render()
