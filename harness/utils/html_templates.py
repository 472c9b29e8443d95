"""HTML templates that lie in a package; values are escaped, because names in them come from data."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def html_templates(package: str, folder: str) -> Environment:
    """Return the templates of ``folder`` in a package.

    Every value is escaped, whatever the name of the template, unless it is :class:`markupsafe.Markup`; a value that is
    missing is an error (:class:`jinja2.UndefinedError`). Lines that hold nothing but a statement leave no empty line.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
