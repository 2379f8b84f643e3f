"""HiTeA's terms composed in a recipe, and on towers that are told apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features
from crossmod.errors import UserError
from crossmod.objectives.matching.cross_resolution import CrossResolutionConsistency
from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens
from crossmod.objectives.matching.settings import CrossResolution, MomentWords, TokenConcatenation
from crossmod.objectives.matching.views import CrossResolutionObjective, MomentWordObjective, shared_rows
from crossmod.objectives.matching.word_moments import MomentWordContrast
from crossmod.testing.tiny import domain
from crossmod.training.assemble import assemble
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards

SETTINGS = "crossmod.objectives.settings"
SMALL = f"{{class_path: {SETTINGS}.TokenConcatenation, init_args: {{width: 16, depth: 1, heads: 2}}}}"
ENTRIES = {
    "MomentWords": "moment: point, text: text, width: 16",
    "CrossResolution": f"short: point, long: point, text: text, projected: 16, fusion: {SMALL}",
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_recipe_trains_it(kind: str) -> None:
    entry = f"{{views: {{class_path: {SETTINGS}.{kind}, init_args: {{{ENTRIES[kind]}}}}}}}"
    parts = assemble(parse_recipe(domain, ["--data.points=40", f"--objectives={entry}"]))
    parameters = [*parts.model.parameters(), *parts.mixture.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.005)
    generator, losses = torch.Generator().manual_seed(0), []
    for step in range(25):
        batch = parts.prepared.batch(torch.randperm(64, generator=generator)[:16])
        optimiser.zero_grad()
        losses.append(float(backward(parts.model, parts.mixture, batch, step)["views/loss"]))
        optimiser.step()
        parts.mixture.after_step()
    assert sum(losses[-5:]) < sum(losses[:5])
    assert not [name for name, p in parts.mixture.objectives["views"].named_parameters() if p.grad is None]


def test_special_tokens_and_padding_are_never_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = f"{{views: {{class_path: {SETTINGS}.MomentWords, init_args: {{{ENTRIES['MomentWords']}}}}}}}"
    parts = assemble(parse_recipe(domain, ["--data.points=40", f"--objectives={entry}"]))
    batch = parts.prepared.batch(torch.arange(6))
    seen: list[Tensor] = []

    def watch(self: MomentWordContrast, moment: Tensor, words: Tensor, eligible: Tensor, group: Any) -> Any:
        seen.append(eligible)
        return original(self, moment, words, eligible, group)

    original = MomentWordContrast.forward
    monkeypatch.setattr(MomentWordContrast, "forward", watch)
    objective = parts.mixture.objectives["views"]
    assert isinstance(objective, MomentWordObjective)
    objective(BatchForwards(parts.model, batch), batch)
    tower = parts.model.tower("text")
    real = tower(batch.inputs["text"]).mask
    assert real is not None
    # One special token at the least opens or closes a text of this vocabulary, so fewer are eligible than real.
    assert torch.equal(seen[0], tower.tokenise(batch.inputs["text"]).mask) and not (seen[0] & ~real).any()


class Fixed(NamedTuple):
    """Features that are there already."""

    given: dict[str, Features]

    def features(self, modality: str) -> Features:
        return self.given[modality]


def _batch(**present: list[bool]) -> Batch:
    masks = {name: torch.tensor(mask) for name, mask in present.items()}
    rows = len(next(iter(present.values())))
    return Batch({}, masks, torch.arange(rows), torch.arange(rows))


def test_rows_that_lack_a_modality_are_left_out_and_nothing_costs_a_zero() -> None:
    batch = _batch(short=[True, True, False, True], long=[True, False, True, True], text=[True, True, True, True])
    positions, group = shared_rows(batch, "short", "long", "text")
    assert [place.tolist() for place in positions] == [[0, 2], [0, 2], [0, 3]]
    assert group.tolist() == [0, 3]
    torch.manual_seed(0)
    fusion = ConcatenatedTokens(4, 4, width=8, depth=1, heads=2)
    objective = CrossResolutionObjective("short", "long", "text", fusion, CrossResolutionConsistency(8, projected=4))
    rows = {"short": torch.randn(3, 4), "long": torch.randn(3, 4), "text": torch.randn(4, 4)}
    whole = objective(Fixed({name: Features(value) for name, value in rows.items()}), batch)
    taken = {name: Features(rows[name][place]) for name, place in zip(rows, positions, strict=True)}
    every = _batch(short=[True] * 2, long=[True] * 2, text=[True] * 2)
    assert torch.allclose(whole.loss, objective(Fixed(taken), every).loss)
    none = _batch(short=[False] * 4, long=[True] * 4, text=[True] * 4)
    rows = {"short": torch.zeros(0, 4), "long": torch.randn(4, 4), "text": torch.randn(4, 4)}
    nothing = objective(Fixed({name: Features(value) for name, value in rows.items()}), none)
    nothing.loss.backward()
    assert float(nothing.loss.detach()) == 0


def test_one_view_given_as_both_is_its_own_positive() -> None:
    torch.manual_seed(0)
    fusion = ConcatenatedTokens(4, 4, width=8, depth=1, heads=2).eval()
    compared = CrossResolutionConsistency(8, projected=4, mode="contrast")
    objective = CrossResolutionObjective("short", "short", "text", fusion, compared)
    rows = {"short": Features(torch.randn(5, 4)), "text": Features(torch.randn(5, 4))}
    batch = _batch(short=[True] * 5, text=[True] * 5)
    projected = compared.project(fusion(rows["short"], rows["text"]))
    unit = torch.nn.functional.normalize(projected, dim=-1)
    expected = torch.nn.functional.cross_entropy(unit @ unit.T / 0.07, torch.arange(5))
    assert torch.allclose(objective(Fixed(rows), batch).loss, expected, atol=1e-5)


def test_settings_refuse_what_cannot_be_built() -> None:
    with pytest.raises(UserError, match="selects none"):
        MomentWords(moment="point", text="text", share=0.0)
    with pytest.raises(UserError, match="names the modality 'slab'"):
        CrossResolution(short="slab", long="volume", text="text").build({})
    towers = dict(assemble(parse_recipe(domain, ["--data.points=40", "--towers.point.width=24"])).model.towers)
    with pytest.raises(UserError, match="give them one width"):
        CrossResolution(short="point", long="text", text="text", fusion=TokenConcatenation(width=8)).build(towers)
