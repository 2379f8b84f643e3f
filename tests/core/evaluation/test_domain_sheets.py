"""Further sheets of a domain stand in the report of a finished run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from crossmod.cli.recipes import parse_recipe
from crossmod.evaluation.context import EvaluationContext
from crossmod.testing.tiny import domain
from crossmod.training.run import train
from crossmod_report import Exhibit, RetrievalSheet, retrieval_sheet


def test_a_domain_s_sheets_are_drawn_of_the_finished_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, str]] = []

    def draw(context: EvaluationContext, split: str) -> list[RetrievalSheet]:
        seen.append((context.model.training, split))
        question, answer = Exhibit(caption="a question of the domain"), Exhibit(caption="its answer")
        return [retrieval_sheet([question], [answer], [[1.0]], [[0]], title="the domain's own sheet")]

    module = ModuleType("sheets_of_a_domain")
    monkeypatch.setattr(module, "draw", draw, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    own = replace(domain, sheets=(f"{module.__name__}:draw",))
    words = ["--run.steps=2", "--data.points=60", f"--run.folder={tmp_path / 'run'}"]
    train(own, parse_recipe(own, words))
    assert seen == [(False, "test")]
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "the domain&#39;s own sheet" in report or "the domain's own sheet" in report
    assert "a question of the domain" in report
