"""The plain parts of a page: figures side by side, code, facts, notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from crossmod_report.markup import Markup, Svg, element, joined


@final
@dataclass(frozen=True, kw_only=True)
class Figures:
    """Charts in a grid, two abreast on a wide screen and one on a phone."""

    charts: Sequence[Svg]


@final
@dataclass(frozen=True, kw_only=True)
class Code:
    """Text in one typeface with its line breaks, such as a recipe or a command."""

    text: str
    title: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and their values, in the order given."""

    values: Mapping[str, object]


@final
@dataclass(frozen=True, kw_only=True)
class Notices:
    """Sentences that a reader must not miss."""

    sentences: Sequence[str]


def html_figures(figures: Figures) -> Markup:
    """Write charts as ``<figure>`` elements in one grid."""
    return element("div", {"class": "figures"}, *(element("figure", None, chart) for chart in figures.charts))


def html_code(code: Code) -> Markup:
    """Write code in ``<pre>``; it scrolls on a screen, by keyboard too, and wraps on paper."""
    title = element("p", {"class": "code-title"}, code.title) if code.title else Markup()
    return joined([title, element("pre", {"tabindex": 0}, element("code", None, code.text))])


def html_facts(facts: Facts) -> Markup:
    """Write facts as a definition list."""
    pairs = []
    for name, value in facts.values.items():
        pairs.append(element("dt", None, str(name)))
        pairs.append(element("dd", None, "–" if value is None else str(value)))
    return element("dl", {"class": "facts"}, *pairs)


def html_notices(notices: Notices) -> Markup:
    """Write notices as a list of marked sentences."""
    items = [element("li", None, sentence) for sentence in notices.sentences]
    return element("ul", {"class": "notices"}, *items)
