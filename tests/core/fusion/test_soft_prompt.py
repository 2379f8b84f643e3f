"""Segments as soft tokens of a frozen language model (sheet video-llama): what learns, is scored, carries over."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from crossmod.fusion.masks import build_mask, prefix_lengths
from crossmod.fusion.resampler import QueryGroup, QueryResampler, Source
from crossmod.fusion.segment_positions import SegmentPositions
from crossmod.objectives.local.prefix import next_token_loss
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.state.freeze_policy import Freeze, FreezePolicy
from crossmod_metrics import modality_gap

QUERIES, WORDS, IGNORED = 3, 11, -100


class Bridged(nn.Module):
    """A frozen encoder and frame resampler, positions and a resampler that learn, and a frozen language model."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(5, 6)
        self.frames = QueryResampler(8, 2, 1, {"frame": QueryGroup(count=2, source_width=6)})
        self.positions = SegmentPositions(8, "index", segments=4)
        self.resampler = QueryResampler(8, 2, 2, {"video": QueryGroup(count=QUERIES, source_width=8)}, out_width=16)
        self.words, self.language = nn.Embedding(WORDS, 16), TokenTransformer(16, 2, 2)
        self.predict = nn.Linear(16, WORDS)

    def forward(self, video: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor, real: torch.Tensor):
        """Prompt of two words, the soft tokens, then the rest of the words."""
        batch, frames = video.shape[:2]
        seen = self.frames({"frame": Source(self.encoder(video).flatten(0, 1))}).queries.unflatten(0, (batch, frames))
        soft = self.resampler({"video": Source(self.positions(seen)[0])}).queries
        words = self.words(ids)
        line = torch.cat([words[:, :2], soft, words[:, 2:]], 1)
        blank = ids.new_full((batch, QUERIES), IGNORED)
        wanted = torch.cat([labels[:, :2], blank, labels[:, 2:]], 1)
        there = torch.cat([real[:, :2], torch.ones_like(blank, dtype=torch.bool), real[:, 2:]], 1)
        visibility = build_mask("prefix", line.shape[1], prefix=prefix_lengths(wanted), real=there)
        logits = self.predict(self.language(line, there, visibility))
        return next_token_loss(logits, wanted.clamp_min(0), (wanted != IGNORED) & there)


def _batch():
    video, ids = torch.randn(2, 4, 3, 5), torch.randint(WORDS, (2, 8))
    real = torch.arange(8) < torch.tensor([[8], [6]])
    labels = ids.masked_fill((torch.arange(8) < 4) | ~real, IGNORED)
    return video, ids, labels, real


def test_only_the_resampler_its_positions_and_its_map_learn():
    model = Bridged()
    kept = ("encoder", "frames", "words", "language", "predict")
    FreezePolicy([Freeze(pattern=part) for part in kept]).apply(model, 0)
    trainable = {name.split(".")[0] for name, weight in model.named_parameters() if weight.requires_grad}
    assert trainable == {"positions", "resampler"}
    model(*_batch()).backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == (name.split(".")[0] in trainable), name
    assert model.resampler.queries["source_video"].grad.any() and model.positions.table.grad.any()


def test_labels_of_prompt_soft_tokens_and_padding_are_not_scored():
    model, (video, ids, labels, real) = Bridged(), _batch()
    plain = model(video, ids, labels, real)
    padding = labels.clone()
    padding[1, 6:] = 7
    assert torch.equal(model(video, ids, padding, real), plain)
    other_words = ids.clone()
    other_words[1, 6:] = 7
    torch.testing.assert_close(model(video, other_words, labels, real), plain)
    scored = labels.clone()
    scored[0, 5] = (labels[0, 5] + 1) % WORDS
    assert not torch.equal(model(video, ids, scored, real), plain)


@pytest.mark.parametrize("place", range(2 + QUERIES + 2))
def test_the_tokens_of_the_prefix_are_read_and_never_predicted(place):
    logits = torch.randn(1, 9, WORDS)
    wanted = torch.full((1, 9), IGNORED)
    wanted[0, 2 + QUERIES + 2 :] = 3
    predicted, other = wanted != IGNORED, wanted.clamp_min(0)
    changed = other.clone()
    changed[0, place] = 9
    assert torch.equal(next_token_loss(logits, other, predicted), next_token_loss(logits, changed, predicted))


def test_what_is_trained_on_one_space_serves_another_as_far_as_the_two_are_turned_alike():
    """Video-LLaMA's audio branch: trained on vectors of one modality, used on those of another through their space."""
    draw = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(6, 8, generator=draw) + 0.7, dim=1)
    kind = torch.arange(6).repeat(60)
    vectors = torch.nn.functional.normalize(centres[kind] + 0.12 * torch.randn(360, 8, generator=draw), dim=1)
    resampler, head = QueryResampler(16, 2, 1, {"audio": QueryGroup(count=2, source_width=8)}), nn.Linear(16, 6)
    optimiser = torch.optim.Adam([*resampler.parameters(), *head.parameters()], lr=1e-2)

    def logits(inputs):
        return head(resampler({"audio": Source(inputs[:, None])}).queries.mean(1))

    for _ in range(80):
        loss = nn.functional.cross_entropy(logits(vectors), kind)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # One rotation in four orthogonal planes, by ever larger angles.
    planes = torch.linalg.qr(torch.randn(8, 8, generator=draw)).Q
    accuracy, gap = [], []
    for degrees in (0, 25, 50, 75, 100):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turn = planes @ torch.block_diag(*[torch.tensor([[cos, -sin], [sin, cos]])] * 4) @ planes.T
        with torch.no_grad():
            accuracy.append(float((logits(vectors @ turn.T).argmax(1) == kind).float().mean()))
        gap.append(float(modality_gap(vectors, vectors @ turn.T)))
    assert accuracy[0] > 0.95 and accuracy[-1] < 0.5
    assert accuracy == sorted(accuracy, reverse=True) and gap == sorted(gap)
    assert gap[0] < 1e-6 < gap[1]
