"""Masking across modalities, mixed patches and colours as terms of a recipe; checks of multimae, mixreorg and plip."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local import (
    VisibleTokens,
    absolute_error,
    colourisation_loss,
    masked_modalities,
    squared_error,
)
from crossmod.objectives.local.mixed_settings import MaskedModalities, MixedPatches, TextGuidedColourisation
from crossmod.recipe import EmbeddingSettings
from crossmod.training.forwards import BatchForwards

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))
SMALL: dict[str, Any] = {"joint_width": 16, "width": 16, "depth": 1, "heads": 2}


def _parts(rows: int = 8, **lacking: Any) -> tuple[CrossModal, Batch]:
    torch.manual_seed(0)
    towers = {"a": TOWERS["Series"](), "b": TOWERS["Series"](), "picture": TOWERS["Pictures"]()}
    inputs = {"a": TOWERS["waves"](rows), "b": TOWERS["waves"](rows, 32, 5), "picture": TOWERS["waves"](rows, 48, 3)}
    return CrossModal(towers, EmbeddingSettings(width=8)), TOWERS["batch_of"](rows, lacking, **inputs)


def _predictions(objective: Any, model: CrossModal, batch: Batch) -> tuple[list[Tensor], dict[str, Tensor], Any]:
    """What every decoder is given and gives, and what stayed visible."""
    given: list[Any] = []
    hooks = [
        side.decoder.register_forward_hook(lambda _, args, out: given.append((args, out)))
        for side in objective.sides.values()
    ]
    torch.manual_seed(3)
    outcome = objective(BatchForwards(model, batch), batch)
    for hook in hooks:
        hook.remove()
    return [out for _, out in given], outcome, given[0][0][1]


@pytest.mark.parametrize("concentration", [0.1, 1.0, 100.0])
def test_a_sample_keeps_the_same_number_of_tokens_whatever_it_has(concentration: float) -> None:
    model, batch = _parts(b=[0, 3])
    settings = MaskedModalities(modalities=("a", "b"), visible=6, concentration=concentration, **SMALL)
    objective = settings.build(dict(model.towers))
    _, _, visible = _predictions(objective, model, batch)
    assert (visible.mask.sum(1) == 6).all()
    for row in range(8):
        places = visible.place[row][visible.mask[row]]
        assert len(set(places.tolist())) == 6
        assert row not in (0, 3) or int(places.max()) < 16, "what a row lacks is not seen of it"


def test_no_decoder_sees_what_is_hidden_and_each_may_be_rebuilt_from_the_other() -> None:
    model, batch = _parts()
    objective = MaskedModalities(modalities=("a", "b"), visible=5, **SMALL).build(dict(model.towers))
    before, outcome, visible = _predictions(objective, model, batch)
    kept = torch.zeros(8, 24, dtype=torch.bool).scatter(1, visible.place, visible.mask)
    values = torch.cat([batch.inputs[name].values.unflatten(1, (-1, 4)) for name in ("a", "b")], 1)
    changed = torch.where(kept[..., None], values, torch.randn_like(values)).flatten(1)
    inputs = {name: type(batch.inputs[name])(part) for name, part in zip("ab", changed.split([64, 32], 1), strict=True)}
    other = Batch({**batch.inputs, **inputs}, batch.present, batch.group, batch.sample)
    after, _, _ = _predictions(objective, model, other)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))
    outcome.loss.backward()
    for name in "ab":
        assert model.towers[name].embed.weight.grad.any()
    # One visible token a sample lies in one modality; the other is predicted from it alone.
    alone = MaskedModalities(modalities=("a", "b"), visible=1, **SMALL).build(dict(model.towers))
    model.zero_grad()
    predicted, found, visible = _predictions(alone, model, batch)
    assert all(torch.isfinite(each).all() for each in predicted) and torch.isfinite(found.loss)
    in_a = visible.place[visible.mask] < 16
    assert in_a.any() and not in_a.all()


def test_a_modality_with_nothing_hidden_adds_nothing() -> None:
    model, batch = _parts()
    objective = MaskedModalities(modalities=("a",), visible=16, **SMALL).build(dict(model.towers))
    outcome = objective(BatchForwards(model, batch), batch)
    outcome.loss.backward()
    assert float(outcome.loss.detach()) == 0


def test_the_joint_encoder_takes_any_subset_in_any_order() -> None:
    model, _ = _parts()
    objective = MaskedModalities(modalities=("a", "b"), **SMALL).build(dict(model.towers))
    states = torch.randn(2, 7, 16)
    order = torch.tensor([4, 5, 6, 0, 1, 2, 3])
    mask = torch.ones(2, 7, dtype=torch.bool)
    assert torch.allclose(objective.joint(states[:, order], mask), objective.joint(states, mask)[:, order], atol=1e-6)


def _by_place(seen: VisibleTokens, place: Tensor) -> Tensor:
    """The joint states at their places in "a" and "b" end to end, zero where nothing is visible."""
    index = place[..., None].expand(-1, -1, 16)
    return torch.zeros(len(place), 24, 16).scatter(1, index, seen.values.detach() * seen.mask[..., None])


def test_the_order_of_modalities_changes_no_state_and_any_subset_of_them_is_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, batch = _parts()
    both, turned, alone = (
        MaskedModalities(modalities=names, visible=6, **SMALL).build(dict(model.towers))
        for names in (("a", "b"), ("b", "a"), ("a",))
    )
    turned.load_state_dict(both.state_dict())
    for part in ("joint", "sides.a.enter"):
        alone.get_submodule(part).load_state_dict(both.get_submodule(part).state_dict())
    alone.shared.data.copy_(both.shared)
    keep = {"a": torch.arange(16).expand(8, -1) % 4 == 0, "b": torch.arange(8).expand(8, -1) % 4 == 1}
    monkeypatch.setattr(
        masked_modalities,
        "dirichlet_masking",
        lambda masks, *_, **__: {name: keep[name] | ~real for name, real in masks.items()},
    )
    seen, other = (_predictions(each, model, batch)[2] for each in (both, turned))
    assert (seen.mask.sum(1) == 6).all() and not torch.equal(seen.place, other.place)
    places = torch.where(other.place < 8, other.place + 16, other.place - 8)
    assert torch.allclose(_by_place(seen, seen.place), _by_place(other, places), atol=1e-5)
    lacking = _parts(b=range(8))[1]
    _, outcome, without = _predictions(both, model, lacking)
    single = _predictions(alone, model, lacking)[2]
    assert (without.mask.sum(1) == 4).all() and torch.isfinite(outcome.loss)
    assert torch.allclose(_by_place(without, without.place), _by_place(single, single.place), atol=1e-5)


def test_the_global_token_is_read_by_all_and_may_be_left_out() -> None:
    model, batch = _parts()
    with_it, without = (
        MaskedModalities(modalities=("a", "b"), visible=6, global_tokens=count, **SMALL).build(dict(model.towers))
        for count in (1, 0)
    )
    assert len(without.shared) == 0
    without.load_state_dict({**with_it.state_dict(), "shared": without.shared})
    before, _, _ = _predictions(without, model, batch)
    predicted, outcome, seen = _predictions(with_it, model, batch)
    assert (seen.mask.sum(1) == 6).all(), "it does not count as one of the visible tokens"
    assert all(not torch.allclose(a, b) for a, b in zip(before, predicted, strict=True))
    outcome.loss.backward()
    assert with_it.shared.grad.any()


def test_depth_is_scored_by_its_absolute_error_and_uncertainties_weigh() -> None:
    model, batch = _parts()
    settings = MaskedModalities(modalities=("a", "b"), visible=6, absolute=("b",), uncertain=True, **SMALL)
    objective = settings.build(dict(model.towers))
    errors = {name: side.target.error for name, side in objective.sides.items()}
    assert errors == {"a": squared_error, "b": absolute_error}
    with torch.no_grad():
        objective.weights.log_variances["a"].fill_(0.5)
    outcome = objective(BatchForwards(model, batch), batch)
    a, b = (float(outcome.terms[name]) for name in "ab")
    assert float(outcome.loss.detach()) == pytest.approx(math.exp(-0.5) * a + 0.5 + b, rel=1e-5)
    outcome.loss.backward()
    assert float(objective.weights.log_variances["b"].grad) == pytest.approx(1 - b, rel=1e-5)


def test_mixed_patches_are_told_apart_by_their_texts() -> None:
    model, batch = _parts(9, b=[2])
    objective = MixedPatches(modality="a", text="b", members=2, width=8).build(dict(model.towers))
    parameters = [*model.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    start = float(objective(BatchForwards(model, batch), batch).terms["accuracy"])
    for step in range(300):
        torch.manual_seed(step)
        optimiser.zero_grad()
        outcome = objective(BatchForwards(model, batch), batch)
        outcome.loss.backward()
        optimiser.step()
    assert float(outcome.terms["accuracy"]) > 0.9 > start + 0.1
    # Eight rows have both, which are four sets; a set of one costs nothing.
    assert float(
        MixedPatches(modality="a", text="b", members=1, width=8)
        .build(dict(model.towers))(BatchForwards(model, batch), batch)
        .loss.detach()
    ) == pytest.approx(0, abs=1e-6)


def test_colours_are_read_from_the_text_and_move_both_towers() -> None:
    model, batch = _parts()
    objective = TextGuidedColourisation(modality="picture", text="a", width=16).build(dict(model.towers))
    optimiser = torch.optim.Adam([*model.parameters(), *objective.parameters()], lr=1e-2)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        outcome = objective(BatchForwards(model, batch), batch)
        outcome.loss.backward()
        optimiser.step()
        losses.append(float(outcome.loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    assert all(
        model.towers[name].get_parameter(key).grad.any() for name, key in (("a", "places"), ("picture", "fine.weight"))
    )
    picture = model.towers["picture"].picture(batch.inputs["picture"])
    stages = model.towers["picture"].stages(picture.mean(1, keepdim=True).expand_as(picture))
    text = BatchForwards(model, batch).features("a").pooled
    costs = [
        float(colourisation_loss(objective.colouriser(stages, vector, (4, 4)), picture).detach())
        for vector in (text, text[:1].expand_as(text))
    ]
    assert costs[1] > 1.5 * costs[0], "another text gives other colours"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda towers: MaskedModalities(modalities=()), "at least one"),
        (lambda towers: MaskedModalities(modalities=("a",), codes=("b",)), "not all among"),
        (lambda towers: MaskedModalities(modalities=("a",), absolute=("b",)), "absolute values of"),
        (lambda towers: MaskedModalities(modalities=("a",), codes=("a",), absolute=("a",)), "name it once"),
        (lambda towers: MaskedModalities(modalities=("a",), concentration=0.0), "positive"),
        (lambda towers: MaskedModalities(modalities=("picture",)).build(towers), "cannot"),
        (lambda towers: MixedPatches(modality="a", text="b", scale=0.0), "positive"),
        (lambda towers: MixedPatches(modality="a", text="c").build(towers), "names the modality"),
        (lambda towers: TextGuidedColourisation(modality="a", text="b", width=2), "at least 4"),
        (lambda towers: TextGuidedColourisation(modality="a", text="b").build(towers), "does not offer"),
    ],
)
def test_settings_and_towers_that_cannot_work_are_refused(make: Any, message: str) -> None:
    towers = dict(_parts()[0].towers)
    with pytest.raises(UserError, match=message):
        make(towers)
