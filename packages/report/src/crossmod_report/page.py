"""A static page: title, summary, sections; one file that needs no network, no script and no font of its own.

The page forbids itself, by its content security policy, to run any script or load anything, so even a hole in the
escaping would stay shut in a browser.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import final

from crossmod_report.atomic_write import write_atomically
from crossmod_report.blocks import (
    Code,
    Facts,
    Figures,
    Notices,
    html_code,
    html_facts,
    html_figures,
    html_notices,
)
from crossmod_report.markup import Markup, Svg, element, joined
from crossmod_report.retrieval_sheet import RetrievalSheet, html_retrieval_sheet
from crossmod_report.tables import Table, html_table

#: A plain string is a paragraph and is escaped; a `Markup` is written as it stands.
Part = str | Markup | Svg | Table | RetrievalSheet | Figures | Code | Facts | Notices

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page."""

    title: str
    summary: str
    sections: Sequence[Section]
    footer: str = ""
    language: str = "en"


def render_page(page: Page) -> str:
    """Write a page as one HTML document, the same bytes for the same page.

    The document is also well-formed XML, so any XML tool can read results back out of it.
    """
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, page.title),
        element("style", None, stylesheet("page.css"), stylesheet("chart.css")),
    )
    sections = [_section(number, section) for number, section in enumerate(page.sections, start=1)]
    foot = [element("footer", None, page.footer)] if page.footer else []
    body = element("body", None, _header(page), element("main", None, joined(sections, "\n")), *foot)
    return f"<!DOCTYPE html>\n{element('html', {'lang': page.language}, head, body)}\n"


def write_page(page: Page, path: str | os.PathLike[str]) -> Path:
    """Render a page and put it in place whole: `path` holds the old page or the new one, never a part.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    return write_atomically(path, render_page(page).encode("utf-8"))


def write_svg(svg: Svg, path: str | os.PathLike[str]) -> Path:
    """Write one chart as a file of its own that follows light and dark like the page, whole or not at all.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    opening = svg.index(">") + 1
    style = element("style", None, stylesheet("chart.css"))
    return write_atomically(path, f"{svg[:opening]}{style}{svg[opening:]}\n".encode())


@cache
def stylesheet(name: str) -> Markup:
    """Read one of the style sheets that lie beside this file."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    assert not set("<&") & set(text), f"{name} must stay valid both as HTML and as XML text"
    return Markup(text)


def html_part(part: Part) -> Markup:
    """Write one part of a section."""
    match part:
        case Svg():
            return element("figure", None, part)
        case Markup():
            return part
        case str():
            return element("p", None, part)
        case Table():
            return html_table(part)
        case RetrievalSheet():
            return html_retrieval_sheet(part)
        case Figures():
            return html_figures(part)
        case Code():
            return html_code(part)
        case Facts():
            return html_facts(part)
        case Notices():
            return html_notices(part)


def _header(page: Page) -> Markup:
    parts = [element("h1", None, page.title)]
    if page.summary:
        parts.append(element("p", {"class": "summary"}, page.summary))
    if len(page.sections) > 1:
        links = [
            element("li", None, element("a", {"href": f"#section-{number}"}, section.title))
            for number, section in enumerate(page.sections, start=1)
        ]
        parts.append(element("nav", {"aria-label": "Contents"}, element("ul", None, *links)))
    return element("header", None, *parts)


def _section(number: int, section: Section) -> Markup:
    name = f"section-{number}"
    heading = element("h2", {"id": f"{name}-title"}, section.title)
    parts = joined((html_part(part) for part in section.parts), "\n")
    return element("section", {"id": name, "aria-labelledby": f"{name}-title"}, heading, parts)
