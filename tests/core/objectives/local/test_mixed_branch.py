"""Mixtures made and refreshed between blocks, and the contrast of restored samples; checks of the sheet mixreorg."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Tokens
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.objectives.local import mixed_patches
from crossmod.objectives.local.mixed_branch import MixingPlan, remix, source_places
from crossmod.objectives.local.mixed_patches import MixedPatchesObjective
from crossmod.objectives.local.mixed_settings import MixedPatches
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE
from crossmod.recipe import EmbeddingSettings
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.vectors.inputs import VectorInputs

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))
BLOCKS = "transformer.blocks"


class Ragged(TOWERS["Series"]):
    """Patches of zeros are padding, wherever they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = TokenTransformer(16, 3, 2)

    def tokenise(self, inputs: VectorInputs, /) -> Tokens:
        tokens = super().tokenise(inputs)
        return tokens._replace(mask=tokens.context.any(-1))


def _parts(rows: int = 6) -> tuple[CrossModal, Batch]:
    torch.manual_seed(0)
    a = TOWERS["waves"](rows).values.clone()
    # Rows of 16, 14, 15, ... patches: with a gap in the midst, one at the end, and none.
    a[1::3, 8:16], a[2::3, -4:] = 0, 0
    model = CrossModal({"a": Ragged(), "b": TOWERS["Series"]()}, EmbeddingSettings(width=8))
    return model, TOWERS["batch_of"](rows, {}, a=VectorInputs(a), b=TOWERS["waves"](rows, 32, 5))


def _objective(model: CrossModal, **options: Any) -> MixedPatchesObjective:
    settings = MixedPatches(modality="a", text="b", width=8, **{"blocks": BLOCKS, **options})
    objective = settings.build(dict(model.towers))
    assert isinstance(objective, MixedPatchesObjective)
    return objective


def _by_hand(tower: Any, values: Tensor, mask: Tensor, source: Tensor, plan: MixingPlan) -> Tensor:
    """Sample by sample, patch by patch, block by block."""
    sets, members, length = source.shape

    def mix(states: Tensor) -> Tensor:
        return torch.stack(
            [
                torch.stack([states[s * members + int(source[s, m, p]), p] for p in range(length)])
                for s in range(sets)
                for m in range(members)
            ]
        )

    def run(block: nn.Module, states: Tensor) -> Tensor:
        out = states.clone()
        for row, real in enumerate(mask):
            out[row, real] = block(states[row, real][None])[0]
        return out

    originals, mixtures = values + tower.places[:length], torch.empty(0)
    for number, block in enumerate(tower.transformer.blocks):
        fresh = mix(originals)
        if number == plan.after:
            mixtures = fresh
        elif number > plan.after and plan.refresh != "none":
            mixtures = mixtures + fresh if plan.refresh == "sum" else (mixtures + fresh) / 2
        originals = run(block, originals)
        mixtures = run(block, mixtures) if number >= plan.after else mixtures
    return tower.transformer.norm(mixtures).masked_fill(~mask[..., None], 0.0)


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize(
    "plan",
    [
        MixingPlan(0, "none"),
        MixingPlan(2, "none", BLOCKS),
        MixingPlan(0, "mean", BLOCKS),
        MixingPlan(1, "mean", BLOCKS),
        MixingPlan(1, "sum", BLOCKS),
    ],
    ids=str,
)
def test_the_branch_is_that_of_a_loop_over_blocks_and_so_is_its_gradient(plan: MixingPlan, members: int) -> None:
    model, batch = _parts()
    objective = _objective(model, members=members, mix_after=plan.after, refresh=plan.refresh)
    tower: Any = model.towers["a"]
    tokens = tower.tokenise(batch.inputs["a"])
    assert not tokens.mask.all()
    mixed = objective._encode(BatchForwards(model, batch), batch, torch.arange(6))
    expected = _by_hand(tower, tokens.values, tokens.mask, mixed.source, plan)
    assert torch.allclose(mixed.values.flatten(0, 1), expected, atol=1e-5)
    gradients = []
    for states in (mixed.values.flatten(0, 1), expected):
        (states * torch.sin(torch.arange(16.0))).pow(2).sum().backward()
        gradients.append([p.grad.clone() for p in (tower.embed.weight, *tower.transformer.blocks.parameters())])
        model.zero_grad()
    assert all(torch.allclose(a, b, atol=2e-4) and a.any() for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("refresh", ["none", "mean"])
def test_a_set_of_one_costs_nothing_and_is_restored_to_itself(refresh: Any) -> None:
    model, batch = _parts()
    tower = model.towers["a"]
    whole = batch.inputs["a"].take(torch.tensor([0, 3]))
    batch = TOWERS["batch_of"](2, {}, a=whole, b=batch.inputs["b"].take(torch.tensor([0, 3])))
    objective = _objective(model, members=1, refresh=refresh, mix_after=int(refresh == "mean"), restored_weight=1.0)
    mixed = objective._encode(BatchForwards(model, batch), batch, torch.arange(2))
    assert torch.allclose(mixed.restored(), tower(whole).pooled, atol=1e-6)
    outcome = objective(BatchForwards(model, batch), batch)
    assert float(outcome.terms["segmentation"]) == pytest.approx(0, abs=1e-6)
    own = InfoNCELoss()(*(BatchForwards(model, batch).embedding(name) for name in "ab"), batch.group)
    assert float(outcome.terms["restored"]) == pytest.approx(float(own.loss.detach()), abs=1e-5)


def test_restored_samples_meet_their_texts_and_leave_alone_those_of_their_group() -> None:
    model, batch = _parts()
    objective = _objective(model, members=2, refresh="mean", restored_weight=0.5)
    batch = Batch(batch.inputs, batch.present, torch.tensor([0, 1, 2, 0, 4, 5]), batch.sample)
    torch.manual_seed(7)
    outcome = objective(BatchForwards(model, batch), batch)
    terms = {name: float(value) for name, value in outcome.terms.items()}
    assert float(outcome.loss.detach()) == pytest.approx(terms["segmentation"] + 0.5 * terms["restored"], rel=1e-6)
    torch.manual_seed(7)
    forwards = BatchForwards(model, batch)
    mixed = objective._encode(forwards, batch, torch.arange(6))
    # Each sample's own patches, found one by one in the mixtures of its set.
    restored = torch.zeros(6, 16)
    for (s, m, p), origin in zip(
        torch.cartesian_prod(*map(torch.arange, (3, 2, 16))), mixed.source.flatten(), strict=True
    ):
        restored[2 * s + origin] += mixed.values[s, m, p].detach()
    restored = restored / mixed.mask.flatten(0, 1).sum(1, keepdim=True)
    told = InfoNCELoss()(model.project("a", restored), forwards.embedding("b"), batch.group)
    assert terms["restored"] == pytest.approx(float(told.loss.detach()), abs=1e-5)
    outcome.loss.backward()
    assert all(p.grad.any() for p in (model.towers["a"].embed.weight, model.towers["b"].embed.weight))
    with torch.no_grad():
        objective.contrast.scale.log_scale.fill_(9.0)
    objective.after_step()
    assert float(objective.contrast.scale().detach()) <= 100


def test_the_restored_contrast_is_for_whole_batches_and_the_rest_adds_up_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, batch = _parts(8)
    term = {"modality": "a", "text": "b", "width": 8, "blocks": BLOCKS, "refresh": "mean"}
    with pytest.raises(ValueError, match="set run.chunk_size 0"):
        backward(model, Mixture({"term": MixedPatches(**term, restored_weight=1.0)}, model.towers), batch, 0, 4)

    def turned(sets: int, members: int, length: int) -> Tensor:
        return ((torch.arange(members)[:, None] + torch.arange(length)) % members).expand(sets, -1, -1)

    monkeypatch.setattr(mixed_patches, "patch_sources", turned)
    mixture = Mixture({"term": MixedPatches(**term)}, model.towers)
    found = []
    for chunk in (0, 4, 2):
        model.zero_grad()
        loss = float(backward(model, mixture, batch, 0, chunk)["loss"])
        found.append((loss, model.towers["a"].embed.weight.grad.clone()))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5) and torch.allclose(gradient, found[0][1], atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_set_is_a_zero_with_gradient(rows: int) -> None:
    model, batch = _parts()
    index = torch.arange(rows)
    part = TOWERS["batch_of"](rows, {}, **{name: each.take(index) for name, each in batch.inputs.items()})
    outcome = _objective(model, refresh="mean", mix_after=1, restored_weight=1.0)(BatchForwards(model, part), part)
    outcome.loss.backward()
    assert float(outcome.loss.detach()) == 0


def test_a_class_token_stays_each_rows_own() -> None:
    source = torch.tensor([[[1, 0], [0, 1]]])
    place = source_places(source, torch.ones(1, 2, 2, dtype=torch.bool))
    states = torch.arange(12.0).view(4, 3, 1)
    assert remix(states, place, "none")[..., 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 4, 2], [9, 1, 5]]
    assert remix(states, place, "sum")[2, :, 0].tolist() == [6, 7 + 4, 8 + 2]
    assert remix(states, place, "mean")[3, :, 0].tolist() == [9, (10 + 1) / 2, (11 + 5) / 2]
    for broken in (states[:3], states[:, :1], states[..., 0]):
        with pytest.raises(ValueError, match="neither packed nor in parts"):
            remix(broken, place, "mean")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix_after": 3}, "needs 4 blocks, but Ragged has 3"),
        ({"mix_after": 2, "refresh": "sum"}, "needs 4 blocks"),
        ({"refresh": "mean", "blocks": ""}, "0 in its list of blocks"),
        ({"refresh": "mean", "blocks": "embed"}, "0 in 'embed'"),
        ({"refresh": "mean", "blocks": "layers"}, "no submodule 'layers'"),
        ({"mix_after": -1}, "neither is below 0"),
        ({"restored_weight": float("nan")}, "neither is below 0"),
    ],
)
def test_towers_and_settings_that_cannot_mix_there_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _objective(_parts()[0], **options)


def _textures(rows: int) -> Batch:
    """Pictures of two textures and their captions, in turns, all under fresh noise."""
    kind = torch.arange(rows) % 2
    texture = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])[kind]
    caption = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])[kind]
    inputs = {
        name: VectorInputs(each.repeat(1, count) + 0.3 * torch.randn(rows, 4 * count))
        for name, each, count in (("a", texture, 16), ("b", caption, 4))
    }
    whole = TOWERS["batch_of"](rows, {}, **inputs)
    return Batch(whole.inputs, whole.present, kind, whole.sample)


@pytest.mark.parametrize("options", [{}, {"mix_after": 1, "refresh": "mean", "restored_weight": 1.0}], ids=str)
def test_patches_of_textures_are_labelled_with_the_loss_and_by_chance_without(options: dict[str, Any]) -> None:
    found = {}
    for weight in (1.0, 0.0):
        torch.manual_seed(1)
        model = CrossModal({"a": Ragged(), "b": TOWERS["Series"]()}, EmbeddingSettings(width=8))
        term = MixedPatches(modality="a", text="b", width=8, weight=weight, blocks=BLOCKS, **options)
        mixture = Mixture({"pairs": InfoNCE(a="a", b="b"), "mixed": term}, model.towers)
        optimiser = torch.optim.Adam([*model.parameters(), *mixture.parameters()], lr=3e-3)
        for step in range(50):
            optimiser.zero_grad()
            terms = backward(model, mixture, _textures(8), step)
            optimiser.step()
            mixture.after_step()
        assert float(terms["pairs/loss"]) < 1.6  # ln 4 is what 8 rows of two captions cost at best: 1.39
        objective, seen = mixture.objectives["mixed"], []
        for _ in range(1 if weight else 30):
            batch = _textures(16)
            seen.append(float(objective(BatchForwards(model, batch), batch).terms["accuracy"]))
            # Untrained heads tell two textures apart in the right way, in the wrong way or not at all.
            for layer in () if weight else (objective.project, objective.project_text):
                layer.reset_parameters()
        found[weight] = sum(seen) / len(seen)
    assert found[1.0] > 0.9 and abs(found[0.0] - 0.5) < 0.15
