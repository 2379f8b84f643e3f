"""Masked patches, masked words and matching through co-attention; acceptance checks 3, 5 and 6 of the sheet m3ae."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossmod.contracts.tower import Features
from crossmod.fusion.pair_fusions import TwoStreamFusion
from crossmod.fusion.two_stream import TwoStreamEncoder
from crossmod.objectives.local import (
    TokenDecoder,
    TokenTransformer,
    gather_visible,
    grid_coordinates,
    group_masking,
    masked_cross_entropy,
    masked_reconstruction_loss,
    patchify,
    sinusoidal_positions,
    standardise_patches,
    uniform_masking,
)
from crossmod.objectives.local.masked_language import token_head
from crossmod.objectives.matching import PairMatchingLoss

WIDTH, VOCABULARY, WORDS = 32, 40, torch.arange(10) // 2


class Losses(NamedTuple):
    patches: Tensor
    words: Tensor


class Pairs(nn.Module):
    """M3AE in small: towers of one block, co-attention, patches from the middle of it and words from its end."""

    def __init__(self, depth: int = 2, layer: int = 1) -> None:
        super().__init__()
        self.layer = layer
        self.patch, self.word = nn.Linear(16, WIDTH), nn.Embedding(VOCABULARY + 1, WIDTH)
        self.picture, self.text = TokenTransformer(WIDTH, 1, 2), TokenTransformer(WIDTH, 1, 2)
        self.fusion = TwoStreamEncoder(WIDTH, 2, depth, width_a=WIDTH, width_b=WIDTH)
        self.decoder = TokenDecoder(WIDTH, 16, width=WIDTH, depth=1, heads=2)
        self.name = token_head(WIDTH, VOCABULARY)
        self.grid = sinusoidal_positions(grid_coordinates((4, 4)), WIDTH)
        self.line = sinusoidal_positions(grid_coordinates((10,)), WIDTH)

    def forward(self, pictures: Tensor, ids: Tensor) -> Losses:
        patches = patchify(pictures, (4, 4))
        embedded, whole = self.patch(patches) + self.grid, torch.ones(patches.shape[:2], dtype=torch.bool)
        keep = uniform_masking(whole, 0.75)
        seen = gather_visible(embedded, keep)
        told = self.text(self.word(ids) + self.line)
        states = self.fusion(self.picture(seen.values), told, layers=self.layer).a[-1]
        rebuilt = self.decoder(states, seen, self.grid, whole)
        real = torch.ones_like(ids, dtype=torch.bool)
        hidden = ~group_masking(real, WORDS.expand_as(ids), 0.15)
        masked = self.text(self.word(ids.masked_fill(hidden, VOCABULARY)) + self.line)
        words = self.fusion(self.picture(embedded), masked).b[-1]
        return Losses(
            masked_reconstruction_loss(rebuilt, standardise_patches(patches), ~keep),
            masked_cross_entropy(self.name(words[hidden]), ids[hidden]),
        )


def _data() -> tuple[Tensor, Tensor]:
    """Eight pictures of waves of their own direction and phase, and a text of ten random tokens each."""
    torch.manual_seed(0)
    row, column = torch.meshgrid(torch.linspace(0, 3, 16), torch.linspace(0, 3, 16), indexing="ij")
    angle = torch.arange(8)[:, None, None] * 0.8
    return (angle.cos() * row * 2 + angle.sin() * column * 2 + angle).sin()[:, None], torch.randint(VOCABULARY, (8, 10))


def test_eight_pairs_are_learned_by_heart() -> None:
    pictures, ids = _data()
    model = Pairs()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.5e-3)
    found = []
    for _ in range(300):
        losses = model(pictures, ids)
        optimiser.zero_grad()
        sum(losses).backward()
        optimiser.step()
        found.append([float(each.detach()) for each in losses])
    patches, words = torch.tensor(found[-20:]).mean(0).tolist()
    assert patches < 0.2 and words < 0.5 < found[0][1]


def test_patches_teach_the_text_tower_and_words_the_picture_tower_and_no_patch_the_upper_layers() -> None:
    model = Pairs(depth=6, layer=3)

    def taught(loss: Tensor) -> set[str]:
        model.zero_grad()
        loss.backward()
        return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}

    patches, words = (taught(model(*_data())[side]) for side in range(2))
    for names, other in ((patches, "text.blocks"), (words, "picture.blocks")):
        assert any(name.startswith(other) for name in names)
    for layer in range(6):
        assert any(name.startswith(f"fusion.layers_a.{layer}.") for name in patches) == (layer < 3)
        assert any(name.startswith(f"fusion.layers_b.{layer}.") for name in words)


def test_matching_tells_nothing_apart_where_true_and_false_pictures_are_the_same() -> None:
    torch.manual_seed(0)
    texts, picture = torch.randn(12, 5, 8), torch.randn(1, 4, 8).expand(12, -1, -1)
    loss = PairMatchingLoss(TwoStreamFusion(8, 8, width=8, depth=1, heads=2, dropout=0.0), "permutation")
    optimiser = torch.optim.Adam(loss.parameters(), lr=1e-2)
    for _ in range(5):
        outcome = loss(Features(texts[:, 0], texts), Features(picture[:, 0], picture), torch.arange(12))
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        assert float(outcome.terms["accuracy"]) == 0.5 and float(outcome.terms["negatives"]) == 12
