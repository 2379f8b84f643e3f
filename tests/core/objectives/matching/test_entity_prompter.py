from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from crossmod.objectives.local.prompted_labels import draw_crop
from crossmod.objectives.matching.entity_prompter import EntityPrompter, PromptedPseudoLabel, cut_out

NAMES = ("red", "green", "blue")


def _embed(texts: Sequence[str]) -> Tensor:
    """Texts as colours: one axis a name, whatever the template says around it."""
    return torch.tensor([[float(name in text) for name in NAMES] for text in texts])


class Colour(nn.Module):
    """The mean colour of what is left of a picture, [batch, 3, height, width]."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.dropout = nn.Dropout(0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.dropout(pictures.mean((2, 3)) * self.scale)


def _prompter(threshold: float = 0.2) -> EntityPrompter:
    return EntityPrompter.from_names(Colour(), _embed, NAMES, ("a {}", "seen: {}"), threshold=threshold)


def test_is_frozen_and_silent_and_its_labels_are_distributions() -> None:
    loss = PromptedPseudoLabel(_prompter(), 4)
    loss.train()
    assert not loss.prompter.encode.training
    assert not any(p.requires_grad for p in loss.prompter.parameters())
    before = loss.prompter.encode.scale.clone()
    optimiser = torch.optim.AdamW([p for p in loss.parameters() if p.requires_grad], lr=0.1)
    pictures = torch.rand(5, 3, 2, 2)
    for _ in range(3):
        loss(torch.randn(5, 6, 4), torch.ones(5, 6, dtype=torch.bool), pictures).loss.backward()
        optimiser.step()
    assert torch.equal(loss.prompter.encode.scale, before)
    named = loss.prompter(pictures.requires_grad_())
    assert torch.allclose(named.probability.sum(1), torch.ones(5)) and not named.probability.requires_grad
    assert torch.equal(named.probability, loss.prompter(pictures).probability)


def test_keeps_by_probability_and_by_index_only_in_the_release() -> None:
    entities = torch.eye(4)
    # softmax over 4 of (x, 0, 0, 0) / temperature reaches 0.5 at x = temperature * log 3.
    regions = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    for release_compat, kept in ((False, [True, False]), (True, [False, False])):
        prompter = EntityPrompter(nn.Identity(), entities, 0.2, 0.5, release_compat=release_compat)
        assert prompter(regions).kept.tolist() == kept


def test_without_a_label_worth_learning_the_loss_is_a_zero_with_gradient() -> None:
    loss = PromptedPseudoLabel(_prompter(threshold=1.1), 4)
    tokens = torch.randn(3, 5, 4, requires_grad=True)
    outcome = loss(tokens, torch.ones(3, 5, dtype=torch.bool), torch.rand(3, 3, 2, 2))
    outcome.loss.backward()
    assert float(outcome.loss.detach()) == 0 == float(outcome.terms["kept"])
    assert tokens.grad is not None and not tokens.grad.any()


def test_only_tokens_inside_and_rows_with_a_region_matter() -> None:
    loss = PromptedPseudoLabel(_prompter(), 4)
    tokens, pictures = torch.randn(3, 5, 4), torch.rand(3, 3, 2, 2)
    inside = torch.tensor([[True, True, False, False, False], [False, True, True, True, False], [False] * 5])
    outcome = loss(tokens, inside, pictures)
    changed = torch.where(inside[..., None], tokens, torch.randn(3, 5, 4))
    assert torch.equal(loss(changed, inside, pictures).loss, outcome.loss)
    assert float(outcome.terms["kept"]) == pytest.approx(2 / 3)
    assert torch.allclose(loss(tokens[:2], inside[:2], pictures[:2]).loss, outcome.loss)


def test_learns_the_colour_of_a_region_without_boxes() -> None:
    generator = torch.Generator().manual_seed(0)
    prompter, loss = _prompter(), None
    loss = PromptedPseudoLabel(prompter, 3)
    optimiser = torch.optim.Adam(loss.predict.parameters(), lr=0.02)

    def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures of 4 x 4 patches of 2 pixels, one coloured quarter each."""
        colour = torch.randint(0, 3, (32, 2, 2), generator=generator)
        patches = torch.nn.functional.one_hot(colour, 3).float().repeat_interleave(2, 1).repeat_interleave(2, 2)
        quarter = torch.zeros(4, 4, dtype=torch.bool)
        quarter[:2, :2] = True
        pictures = patches.permute(0, 3, 1, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
        regions = cut_out(pictures, quarter, 2)
        return patches.flatten(1, 2), quarter.flatten().expand(32, -1), regions, colour[:, 0, 0]

    for _ in range(60):
        tokens, inside, regions, _ = batch()
        optimiser.zero_grad()
        loss(tokens, inside, regions).loss.backward()
        optimiser.step()
    tokens, inside, _, colour = batch()
    predicted = loss.predict(tokens[:, inside[0]].mean(1)).argmax(1)
    assert float((predicted == colour).float().mean()) > 0.9


def test_cutting_out_leaves_the_region_alone_in_any_dimension() -> None:
    for grid in ((6,), (4, 5), (2, 3, 4)):
        inside = draw_crop(grid).view(grid)
        values = torch.randint(1, 9, (2, *(3 * count for count in grid)))
        cut = cut_out(values, inside, 3)
        kept = cut != 0
        assert torch.equal(cut[kept], values[kept])
        assert int(kept.sum()) == 2 * int(inside.sum()) * 3 ** len(grid)
    with pytest.raises(ValueError, match="is not .* patches of 2"):
        cut_out(torch.zeros(6, 6), torch.ones(2, 3, dtype=torch.bool), 2)


def test_refuses_what_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="in each template"):
        EntityPrompter.from_names(nn.Identity(), _embed, NAMES, ("a colour",))
    with pytest.raises(ValueError, match="0 names"):
        EntityPrompter.from_names(nn.Identity(), _embed, ())
    with pytest.raises(ValueError, match="name nothing"):
        EntityPrompter(nn.Identity(), torch.full((2, 3), torch.nan))
    with pytest.raises(ValueError, match="look at the regions"):
        EntityPrompter(nn.Identity(), torch.eye(3))(torch.full((1, 3), torch.inf))
    loss = PromptedPseudoLabel(_prompter(), 4)
    with pytest.raises(ValueError, match="one region a row"):
        loss(torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool), torch.rand(3, 3, 2, 2))
