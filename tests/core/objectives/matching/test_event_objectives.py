"""EA-VTR's terms in a recipe: what the corpus attaches reaches the loss, row by row."""

from __future__ import annotations

import copy
import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import AttachedInputs, Batch
from crossmod.contracts.tower import Features
from crossmod.errors import UserError
from crossmod.objectives.matching.attached_inputs import attached_by_row
from crossmod.objectives.matching.event_contrast import LocalTextContrast, OrderContrast
from crossmod.objectives.matching.event_objectives import CaptionedMomentsObjective, EventOrderObjective
from crossmod.objectives.matching.event_settings import CaptionedMoments, EventOrder
from crossmod.state.logit_scale import LogitScale
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.run import train
from crossmod.vectors.inputs import VectorInputs
from crossmod_kernels import infonce_reference

ATTACHED = runpy.run_path(str(Path(__file__).with_name("attached_rows.py")))
ORDER = "{order: {class_path: EventOrder, init_args: {a: point, b: text}}}"


class Plain(ATTACHED["Plain"]):
    """Towers and projections that change nothing: an input is its own embedding, and its coordinates its tokens."""

    def features(self, modality: str) -> Features:
        values = self.embedding(modality)
        return Features(values, values[..., None] * torch.eye(values.shape[1]))


def _batch(attached: dict[str, AttachedInputs]) -> Batch:
    """Five rows: the third lacks the recording, the fourth the text."""
    a, b = torch.tensor([True, True, False, True, True]), torch.tensor([True, True, True, False, True])
    inputs = {"a": VectorInputs(torch.randn(4, 3)), "b": VectorInputs(torch.randn(4, 3))}
    return Batch(inputs, {"a": a, "b": b}, torch.arange(5), torch.arange(5), attached)


def _attached(row: list[int], place: list[int] | None = None, modality: str = "b") -> AttachedInputs:
    places = torch.tensor(place if place is not None else [-1] * len(row), dtype=torch.int64)
    rows = torch.tensor(row, dtype=torch.int64)
    return AttachedInputs(modality, VectorInputs(torch.randn(len(row), 3)), rows, places)


def test_wrong_orders_stand_beside_the_rows_that_they_are_attached_to() -> None:
    wrong, other = _attached([0, 2, 3, 4, 4]), _attached([1, 3], modality="a")
    batch = _batch({"reordered": wrong, "turned": other})
    a, b = batch.inputs["a"].values[[0, 1, 3]], batch.inputs["b"].values[[0, 1, 3]]
    padded, mask = torch.zeros(3, 2, 3), torch.tensor([[True, False], [False, False], [True, True]])
    padded[0, 0], padded[2] = wrong.inputs.values[0], wrong.inputs.values[3:]
    padded_a, mask_a = torch.zeros(3, 1, 3), torch.tensor([[False], [True], [False]])
    padded_a[1, 0] = other.inputs.values[0]
    loss = OrderContrast(LogitScale(6.0))
    found = EventOrderObjective("a", "b", "reordered", "turned", loss)(Plain(batch), batch)
    expected = loss(a, b, torch.tensor([0, 1, 4]), padded, mask, padded_a, mask_a)
    assert torch.allclose(found.loss, expected.loss)
    assert torch.equal(found.terms["order_accuracy"], expected.terms["order_accuracy"])


def test_without_an_order_of_its_own_a_row_meets_the_batch_alone_and_groups_may_be_ignored() -> None:
    batch = replace(_batch({"reordered": _attached([2, 3])}), group=torch.tensor([0, 0, 0, 0, 1]))
    a, b = batch.inputs["a"].values[[0, 1, 3]], batch.inputs["b"].values[[0, 1, 3]]
    for groups, group in ((True, torch.tensor([0, 0, 1])), (False, None)):
        objective = EventOrderObjective("a", "b", "reordered", None, OrderContrast(LogitScale(6.0)), groups=groups)
        expected = infonce_reference(a, b, torch.tensor(6.0), group_a=group)
        assert torch.allclose(objective(Plain(batch), batch).loss, expected, atol=1e-5)
    nothing = attached_by_row(Plain(batch), batch.attached["reordered"], torch.zeros(0, dtype=torch.int64), a)
    assert nothing.mask.shape == (0, 0)


def test_captions_meet_the_token_that_they_speak_of() -> None:
    captions = _attached([0, 0, 2, 3, 4], [2, 0, 1, 1, 0])
    batch = _batch({"captions": captions})
    tokens = Plain(batch).features("a").tokens
    assert tokens is not None
    # Row 2 has no recording; row 3 is the third of those that have one.
    local = torch.stack([tokens[0, 2], tokens[0, 0], tokens[2, 1], tokens[3, 0]])
    text = captions.inputs.values[[0, 1, 3, 4]]
    loss = LocalTextContrast(LogitScale(8.0))
    found = CaptionedMomentsObjective("a", "captions", loss)(Plain(batch), batch)
    assert torch.allclose(found.loss, loss(local, text, torch.tensor([0, 0, 3, 4])).loss)


def test_no_caption_costs_a_zero_and_one_of_a_moment_that_is_not_there_is_refused() -> None:
    objective = CaptionedMomentsObjective("a", "captions", LocalTextContrast())
    batch = _batch({"captions": _attached([2], [0])})
    nothing = objective(Plain(batch), batch)
    assert float(nothing.loss.detach()) == 0
    for place in (3, -1):
        batch = _batch({"captions": _attached([0, 4], [0, place])})
        with pytest.raises(UserError, match=f"token {place} of a a with 3"):
            objective(Plain(batch), batch)


def test_what_is_not_attached_is_refused() -> None:
    order = EventOrderObjective("a", "b", "reordered", None, OrderContrast())
    batch = _batch({"captions": _attached([0], [0])})
    with pytest.raises(UserError, match="as 'reordered', but the corpus attaches captions"):
        order(Plain(batch), batch)
    batch = _batch({"reordered": _attached([0], modality="a")})
    with pytest.raises(UserError, match="items of 'a', but wrong orders of 'b'"):
        order(Plain(batch), batch)
    with pytest.raises(UserError, match="nothing at all"):
        CaptionedMomentsObjective("a", "captions", LocalTextContrast())(Plain(_batch({})), _batch({}))
    with pytest.raises(UserError, match="names the modality 'video'"):
        EventOrder(a="video", b="text").build({})
    with pytest.raises(UserError, match="lies in -1 to 1"):
        CaptionedMoments(a="video", duplicate=1.5)


def _parts() -> Parts:
    return assemble(parse_recipe(domain, ["--data.points=40", "--data.events=true", f"--objectives={ORDER}"]))


@pytest.mark.parametrize("chunk", [3, 5])
def test_chunks_give_the_gradient_of_the_whole_batch(chunk: int) -> None:
    parts = _parts()
    parts.model.eval()
    batch = parts.prepared.batch(torch.arange(3, 25, 2))
    gradients = []
    for size in (0, chunk):
        model, mixture = copy.deepcopy((parts.model, parts.mixture))
        backward(model, mixture, batch, 0, size)
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and gradients[0]
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).norm() <= 5e-5 * gradient.norm() + 1e-6, name


def test_a_run_with_the_recipe_learns_the_order(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    words = ["--data.points=100", "--data.events=true", "--run.steps=200", "--run.batch_size=32", "--run.log_every=1"]
    words += ["--towers.text.length=32", "--optimiser.rate=0.01"]
    recipe = parse_recipe(domain, [*words, f"--run.folder={tmp_path / 'run'}", f"--objectives={ORDER}"])
    assert train(domain, recipe) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    accuracy = [line["order/order_accuracy"] for line in lines if "order/order_accuracy" in line]
    assert len(accuracy) == 200
    assert abs(sum(accuracy[:5]) / 5 - 0.5) < 0.25 and sum(accuracy[-20:]) / 20 > 0.9


@pytest.mark.usefixtures("tiny_installed")
@pytest.mark.parametrize("kind", ["EventOrder", "CaptionedMoments"])
def test_no_row_one_row_and_autocast_are_defined(kind: str) -> None:
    both = {"EventOrder": "{a: point, b: text}", "CaptionedMoments": "{a: point}"}
    words = ["--data.points=40", "--data.events=true", "--towers.point=tower_of_patches.CoordinateEncoder"]
    term = f"{{term: {{class_path: {kind}, init_args: {both[kind]}}}}}"
    parts = assemble(parse_recipe(domain, [*words, f"--objectives={term}"]))
    objective = parts.mixture.objectives["term"]
    for rows, rounded in ((0, False), (1, False), (12, True)):
        batch = parts.prepared.batch(torch.arange(rows))
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            loss = objective(BatchForwards(parts.model, batch), batch).loss
        parts.model.zero_grad()
        loss.backward()
        assert loss.dtype == torch.float32 and bool(torch.isfinite(loss)) and (rows > 0 or float(loss.detach()) == 0)
        found = [p.grad for p in parts.model.parameters() if p.grad is not None]
        assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
        assert rows < 2 or any(bool(gradient.any()) for gradient in found)
