from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.objectives.local.colourisation import (
    TextChannelAttention,
    TextGuidedColouriser,
    colourisation_loss,
    to_grey,
)


def test_the_loss_is_the_squared_distance_of_colours() -> None:
    prediction = torch.zeros(2, 3, 4, 5)
    assert float(colourisation_loss(prediction, prediction + torch.tensor([1.0, 2.0, 2.0])[:, None, None])) == 9
    prediction = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: colourisation_loss(x, target), prediction)
    with pytest.raises(ValueError, match="differ in shape"):
        colourisation_loss(prediction, target[..., :1])
    empty = torch.zeros(0, 3, 2, 2, requires_grad=True)
    loss = colourisation_loss(empty, empty)
    loss.backward()
    assert float(loss.detach()) == 0


def test_grey_has_equal_channels_and_keeps_grey() -> None:
    picture = torch.rand(2, 3, 4, 4)
    grey = to_grey(picture)
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.allclose(to_grey(grey), grey, atol=1e-6)


def test_channel_weights_have_mean_one_and_come_from_both_sides() -> None:
    guide = TextChannelAttention(24, 16)
    picture, text = torch.rand(2, 24, 3, 3) + 0.5, torch.randn(2, 16)
    weight = (guide(picture, text) / picture)[:, :, 0, 0]
    assert torch.allclose(weight.mean(1), torch.ones(2), atol=1e-5)
    assert not torch.allclose(guide(picture, -text), guide(picture, text))


def test_eight_pictures_of_one_shape_are_told_apart_by_their_texts() -> None:
    # The grey pictures are all alike: only the text says which colour belongs to which.
    torch.manual_seed(0)
    colours = torch.rand(8, 3)
    shape = torch.zeros(8, 1, 16, 16)
    shape[:, :, 4:12, 4:12] = 1
    pictures = shape * colours[:, :, None, None]
    stem, deep = nn.Conv2d(1, 8, 3, stride=4, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)
    texts = nn.Embedding(8, 16)
    colouriser = TextGuidedColouriser((8, 8), 16, width=32)
    parameters = [*stem.parameters(), *deep.parameters(), *texts.parameters(), *colouriser.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-2)

    def predict(index: torch.Tensor) -> torch.Tensor:
        first = stem(shape)
        return colouriser([first, deep(first.relu())], texts(index), (16, 16))

    losses = []
    for _ in range(120):
        loss = colourisation_loss(predict(torch.arange(8)), pictures)
        optimiser.zero_grad()
        loss.backward()
        if not losses:
            assert all(p.grad.any() for p in (stem.weight, deep.weight, texts.weight))
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    constant = float(colourisation_loss(predict(torch.zeros(8, dtype=torch.int64)), pictures).detach())
    assert constant > 3 * losses[-1]
