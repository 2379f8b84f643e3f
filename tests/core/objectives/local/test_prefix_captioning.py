"""mPLUG-video's pattern from the parts there are: pooled tokens as a soft prefix of a frozen causal decoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from crossmod.fusion import QueryGroup, QueryResampler, Source
from crossmod.objectives import TokenTransformer, attention_visibility, next_token_loss, sinusoidal_positions
from crossmod_metrics import rank_by_likelihood, sequence_log_likelihood

WIDTH, QUERIES, END, PADDING = 32, 2, 8, 9
# Class names of different lengths over tokens 1 to 7, each closed by the end token; two begin alike.
NAMES = torch.tensor([[1, 2, END, PADDING], [1, 3, 4, END], [5, END, PADDING, PADDING], [6, 7, END, PADDING]])
REAL = NAMES != PADDING


class Decoder(nn.Module):
    """Any causal language model: it reads vectors and scores the next token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.layers = nn.Embedding(10, WIDTH), TokenTransformer(WIDTH, 1, 4)
        self.score = nn.Linear(WIDTH, 10)

    def forward(self, vectors: Tensor) -> Tensor:
        places = torch.arange(vectors.shape[1], dtype=torch.float32)[:, None]
        seen = attention_visibility(torch.ones(vectors.shape[:2], dtype=torch.bool), "decoder")
        return self.score(self.layers(vectors + sinusoidal_positions(places, WIDTH), None, seen))


class Captioner(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder.requires_grad_(False)
        self.pool = QueryResampler(WIDTH, 4, 1, {"clip": QueryGroup(count=QUERIES, source_width=6)}, out_width=WIDTH)

    def prefix(self, clips: Tensor) -> Tensor:
        return self.pool({"clip": Source(clips)}).queries

    def forward(self, clips: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at every position of [prefix; text], and the ids there, with a placeholder on the prefix."""
        prefix = self.prefix(clips)
        placeholder = ids.new_zeros(len(ids), QUERIES)
        return self.decoder(torch.cat([prefix, self.decoder.embed(ids)], 1)), torch.cat([placeholder, ids], 1)

    @torch.no_grad()
    def write(self, clips: Tensor) -> Tensor:
        ids = torch.zeros(len(clips), 0, dtype=torch.int64)
        for _ in range(NAMES.shape[1]):
            ids = torch.cat([ids, self(clips, ids)[0][:, -1:].argmax(-1)], 1)
        after = (ids == END).cumsum(1) - (ids == END).long()
        return ids.masked_fill(after > 0, PADDING)


def _language_model() -> Decoder:
    """A decoder that knows the class names as a language, and nothing of clips."""
    decoder = Decoder()
    optimiser = torch.optim.Adam(decoder.parameters(), lr=0.003)
    for _ in range(60):
        kind = torch.randint(4, (32,))
        noise = torch.randn(32, QUERIES, WIDTH)
        logits = decoder(torch.cat([noise, decoder.embed(NAMES[kind])], 1))
        ids = torch.cat([kind.new_zeros(32, QUERIES), NAMES[kind]], 1)
        loss = next_token_loss(logits, ids, torch.cat([torch.zeros(32, QUERIES).bool(), REAL[kind]], 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    decoder.zero_grad()
    return decoder


def _clips(count: int, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of noise, of which one shows the class."""
    kind = torch.randint(4, (count,))
    clips = 0.5 * torch.randn(count, 5, 6)
    clips[torch.arange(count), torch.randint(5, (count,))] += kinds[kind]
    return clips, kind


def _loss(captioner: Captioner, clips: Tensor, kind: Tensor) -> Tensor:
    logits, ids = captioner(clips, NAMES[kind])
    return next_token_loss(logits, ids, _text(kind))


def _text(kind: Tensor) -> Tensor:
    return torch.cat([torch.zeros(len(kind), QUERIES).bool(), REAL[kind]], 1)


def test_prefix_and_padding_are_not_counted() -> None:
    captioner, kind = Captioner(Decoder()), torch.tensor([0, 1, 2])
    logits, ids = captioner(torch.randn(3, 5, 6), NAMES[kind])
    loss = next_token_loss(logits, ids, _text(kind))
    changed = torch.where(_text(kind), ids, torch.randint(10, ids.shape))
    assert torch.equal(next_token_loss(logits, changed, _text(kind)), loss)
    # As many tokens are counted as the names have, the end token among them.
    scored = sum(
        float(-row[QUERIES + k - 1].log_softmax(0)[name[k]])
        for row, name in zip(logits.detach(), NAMES, strict=False)
        for k in range(int((name != PADDING).sum()))
    )
    assert int(_text(kind).sum()) == 9 and float(loss.detach()) == pytest.approx(scored / 9, rel=1e-5)


def test_a_frozen_decoder_learns_nothing_and_lets_the_pool_learn_to_name_clips() -> None:
    torch.manual_seed(0)
    captioner, kinds = Captioner(_language_model()), 4 * torch.randn(4, 6)
    before = {name: value.clone() for name, value in captioner.decoder.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in captioner.parameters() if p.requires_grad], lr=0.003)
    for _ in range(150):
        optimiser.zero_grad()
        _loss(captioner, *_clips(32, kinds)).backward()
        optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in captioner.decoder.state_dict().items())
    assert all(p.grad is None for p in captioner.decoder.parameters())
    reached = [name for name, p in captioner.pool.named_parameters() if p.grad is not None and bool(p.grad.any())]
    assert any(name.startswith("queries") for name in reached)
    assert len(reached) > 0.8 * len(list(captioner.pool.parameters()))
    clips, kind = _clips(200, kinds)
    assert float((captioner.write(clips) == NAMES[kind]).all(1).double().mean()) > 0.95
    with torch.no_grad():
        scores = []
        for name, real in zip(NAMES, REAL, strict=True):
            logits, ids = captioner(clips, name.expand(len(clips), -1))
            answer = torch.cat([torch.zeros(QUERIES).bool(), real]).expand(len(clips), -1)
            scores.append(sequence_log_likelihood(logits[:, :-1], ids[:, 1:], answer[:, 1:]))
    ranks = rank_by_likelihood(torch.stack(scores, 1), kind)
    assert float((ranks == 1).double().mean()) > 0.95
