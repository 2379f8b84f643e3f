"""The synthetic octant task: check 6 of the sheets simcrop and velvet-med, and the grid of check 1."""

from __future__ import annotations

import math
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.objectives.pairs import select_top_tokens
from crossmod.objectives.settings import AttendedLocalAlign, TopKLocalAlign
from crossmod.training.forwards import BatchForwards
from crossmod_medical.encoders.network_settings import VolumeSwin
from crossmod_medical.encoders.report_settings import ReportLevels, ReportTransformer
from crossmod_medical.encoders.settings import VolumeTransformer
from crossmod_medical.grid import VolumeGrid

OCTANTS = runpy.run_path(str(Path(__file__).with_name("octants.py")))
GRID = VolumeGrid(size=(32, 32, 32), spacing_mm=(2.0, 2.0, 2.0), cache="off")
TEXT = {"vocabulary": 300, "length": 48, "width": 32, "depth": 1, "heads": 2, "dropout": 0.0}
RIGHT = torch.arange(64) % 8


def _shown(task):
    """Volumes that were not trained on, eight an octant."""
    words = task.model.tower("text").processor(OCTANTS["NAMES"])
    return OCTANTS["batch_of"](OCTANTS["draw_octants"](RIGHT.tolist(), GRID, 10**6), words, RIGHT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "selection",
    [
        {"hidden_share": 0.0, "least": 8},
        # Of the 16 patches that stay visible, 8 would be no selection.
        {"hidden_share": 0.75, "least": 2, "temperature": 0.1},
    ],
    ids=["all visible", "a quarter visible"],
)
def test_sentences_select_patches_of_their_octant_by_local_alignment_alone(selection: dict[str, float]) -> None:
    image = VolumeTransformer(grid=GRID, patch=(8, 8, 8), width=48, depth=1, heads=4)
    align = TopKLocalAlign(a="image", b="text", **selection)
    task = OCTANTS["make_task"](image, ReportTransformer(**TEXT), {"align": align})
    before = _share_selected(task)
    OCTANTS["train_task"](task, 200, 1e-3)
    assert before < 0.3
    assert _share_selected(task) > 0.8
    _require_pairs(task)


@torch.no_grad()
def _share_selected(task) -> float:
    model, batch = task.model.eval(), _shown(task)
    forwards = BatchForwards(model, batch)
    phrases = model.tower("text").phrases(batch.inputs["text"], forwards.features("text"))
    tokens = forwards.features("image").tokens
    patches = model.project("image", tokens.flatten(0, 1)).view(64, -1, 32)
    sentences = model.project("text", phrases.values[:, 0])[:, None]
    place = select_top_tokens(sentences, patches, least=8).place[:, 0]
    model.train()
    return float((OCTANTS["octant_of"](place, (4, 4, 4)) == RIGHT[:, None]).float().mean())


@pytest.mark.slow
def test_sentences_attend_to_their_octant_by_attended_alignment_alone() -> None:
    image = VolumeSwin(
        grid=VolumeGrid(size=(32, 32, 32), spacing_mm=(2.0, 2.0, 2.0), windows_hu=((-500.0, 1000.0),), cache="off"),
        base=12,
        depths=(1, 1, 1, 1),
        heads=(2, 2, 4, 8),
        window=4,
    )
    align = AttendedLocalAlign(a="image", b="text", stage=3, width=32)
    task = OCTANTS["make_task"](image, ReportLevels(**TEXT), {"align": align})
    OCTANTS["train_task"](task, 150, 1e-3)
    # The cube stands out, so that an untrained query may well look at it; what is learned shows in the loss too.
    assert _share_attended(task) > 0.8
    _require_pairs(task)


@torch.no_grad()
def _share_attended(task) -> float:
    model, batch = task.model.eval(), _on_grid(task)
    forwards = BatchForwards(model, batch)
    phrases = model.tower("text").phrases(batch.inputs["text"], forwards.features("text"))
    align = task.mixture.objectives["align"]
    peak = align.read(phrases.values, align.places(forwards).tokens).weights[:, 0].argmax(1)
    model.train()
    return float((OCTANTS["octant_of"](peak, (2, 2, 2)) == RIGHT).float().mean())


@torch.no_grad()
def _require_pairs(task) -> None:
    """Low loss on pairs, and no better than chance where every volume has the next octant's sentence."""
    model, batch = task.model.eval(), _on_grid(task)
    shuffled = replace(batch, inputs={**batch.inputs, "text": batch.inputs["text"].take((torch.arange(64) + 1) % 64)})
    torch.manual_seed(0)
    paired, apart = (float(task.mixture(BatchForwards(model, each), each, 0).loss) for each in (batch, shuffled))
    # A volume among the 56 of other octants and itself; the other direction is the same among sentences.
    assert paired < math.log(57) / 2
    assert apart > math.log(57)


def _on_grid(task):
    batch = _shown(task)
    return replace(batch, inputs={**batch.inputs, "image": replace(batch.inputs["image"], spec=task.grid)})
