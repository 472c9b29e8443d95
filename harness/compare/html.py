"""Pieces of a page that needs no network and no script. Whatever is not :class:`Html` already is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

import numpy as np


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return any value as page content; strings from data lose their power to be markup."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(map(text, parts)))


def tag(name: str, *content: object, **attributes: str) -> Html:
    """Return ``<name attributes>content</name>``; ``class_`` is written as ``class``."""
    given = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{given}>{join(content)}</{name}>")


def section(anchor: str, title: str, *content: object) -> Html:
    return tag("section", tag("h2", title), *content, id=anchor)


def note(*content: object) -> Html:
    return tag("p", *content, class_="note")


def table(head: Sequence[Sequence[tuple[object, int]]], rows: Iterable[Sequence[object]], *, words: int = 1) -> Html:
    """Return a table that scrolls in a frame of its own.

    Parameters
    ----------
    head : rows of (cell, number of columns that it spans).
    rows : of cells; ``words`` of them hold words and stand on the left, the rest are numbers.
    """
    heads = []
    for line in head:
        starts = np.cumsum([0, *(span for _, span in line)])
        cells = [
            tag("th", cell, colspan=str(span), scope="col", class_="word" if start < words else "")
            for (cell, span), start in zip(line, starts, strict=False)
        ]
        heads.append(tag("tr", *cells))
    body = [
        tag(
            "tr",
            *(tag("td", cell, class_="word" if i < words else "") for i, cell in enumerate(row)),
        )
        for row in rows
    ]
    return tag("div", tag("table", tag("thead", *heads), tag("tbody", *body)), class_="frame", tabindex="0")


def image(content: bytes, kind: str, caption: str, *, alt: str = "") -> Html:
    """Return a picture inside the page; ``kind`` is ``png`` or ``svg+xml``."""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    picture = Html(f'<img alt="{html.escape(alt or caption)}" src="{source}">')
    return tag("figure", picture, tag("figcaption", caption)) if caption else tag("figure", picture)


def page(title: str, *content: object) -> str:
    """Return the whole document. Its policy forbids a browser to load or run anything."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{join(content, chr(10))}\n</body>\n</html>\n"
    )


STYLE = """
:root { color-scheme: light; --line: #d8dde3; --soft: #5b6672; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1340px; padding: 20px 24px 60px; color: #1b2127; background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 36px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 6px 0 10px; max-width: 85ch; }
nav { margin: 10px 0; } nav a { margin-right: 14px; color: #0a5c91; }
.lead, .note, figcaption { color: var(--soft); } .note, figcaption { font-size: 13px; }
.frame { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: 10px 0; max-height: 80vh; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: 13.5px; overflow-wrap: normal; }
th, td { padding: 6px 10px; text-align: right; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { background: #f4f6f8; font-weight: 600; }
thead tr:not(:last-child) th { text-align: center; } thead tr th.word, td.word { text-align: left; }
td:first-child, th:first-child { position: sticky; left: 0; background: #fff; font-weight: 600; }
th:first-child { background: #f4f6f8; } tbody tr:last-child td { border-bottom: 0; }
td.word:first-child { white-space: normal; min-width: 110px; max-width: 260px; overflow-wrap: anywhere; }
small { display: block; color: var(--soft); font-size: 12px; } td.long, .wide td.word { white-space: normal; }
thead { position: sticky; top: 0; z-index: 2; }
.chip { display: inline-block; padding: 0 8px; border-radius: 10px; border: 1px solid; font-weight: 600;
  font-size: 12.5px; white-space: nowrap; }
dl { margin: 10px 0; } dt { font-weight: 600; margin-top: 12px; } dd { margin: 2px 0 0; max-width: 110ch; }
.grid { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
.charts { display: grid; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr));
  align-items: start; }
figure { margin: 8px 0; max-width: 100%; } figure img { max-width: 100%; height: auto; display: block; }
.charts img { width: 100%; } .plot img { width: min(100%, 680px); }
.grid figure, .charts figure { margin: 0; }
.grid img { width: 100%; border: 1px solid var(--line); border-radius: 4px; }
pre { overflow-x: auto; background: #f4f6f8; border-radius: 6px; padding: 10px 12px; font-size: 13px;
  margin: 4px 0 12px; overflow-wrap: normal; }
@media (max-width: 600px) { body { padding: 14px 16px 40px; } h1 { font-size: 21px; } h2 { font-size: 18px; }
  th, td { padding: 6px; } td.word:first-child { min-width: 90px; max-width: 120px; } }
@media print { .frame { max-height: none; overflow: visible; } }
""".strip()
