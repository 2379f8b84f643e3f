"""The retrieval sheet of a report draws items as its domain says: SVG texts, PNG bytes, or words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.sheet import sheet
from crossmod.testing.tiny import domain

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>'


def draw_png(item: Any) -> bytes:
    return PNG


def draw_svg(item: Any) -> str:
    return SVG


@pytest.mark.parametrize("drawing", ["draw_png", "draw_svg", "draw_nothing"])
def test_drawings_of_either_kind_are_shown(
    drawing: str, context: EvaluationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    import crossmod.testing.tiny as tiny

    for name, function in (("draw_png", draw_png), ("draw_svg", draw_svg), ("draw_nothing", lambda item: None)):
        monkeypatch.setattr(tiny, name, function, raising=False)
    drawn = replace(domain, drawings={"point": f"crossmod.testing.tiny:{drawing}"})
    found = sheet(drawn, context, "text", "point", split="test")
    assert found is not None
    shown = [hit.item for answer in found.answers for hit in answer.nearest]
    assert {exhibit.png for exhibit in shown} == {PNG if drawing == "draw_png" else None}
    assert all((exhibit.svg is not None) == (drawing == "draw_svg") for exhibit in shown)
