"""Span denoising as a term of a recipe: the tower reads a text with spans hidden, a decoder writes the spans."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.objectives.local.patches import sinusoidal_positions
from crossmod.objectives.local.span_denoising import cut_spans, draw_spans
from crossmod.objectives.local.token_scores import score_tokens
from crossmod.objectives.local.token_transformer import TokenTransformer, attention_visibility


class CutTexts(NamedTuple):
    """A batch with spans hidden.

    Shape:
        hidden: [batch, length]; true = token of a span.
        written: [batch, most]; sentinel 0, span 0, sentinel 1, span 1, ..., a last sentinel.
        mask: [batch, most]; true = real.
    """

    hidden: Tensor
    written: Tensor
    mask: Tensor


class SpanDenoisingObjective(Objective):
    """Hide spans, then write "sentinel, span" one after another and a last sentinel (T5, arXiv:1910.10683).

    Every token of a span is hidden at its place, so the tower is told how long the spans are, which T5's one sentinel
    a span leaves open: towers cannot shorten a text [ours].

    Args:
        modality: The modality whose tokens are hidden.
        width: Width of its tower's tokens.
        vocabulary: Number of discrete tokens.
        share: Share of the real tokens that spans cover.
        mean_length: Mean length of a span.
        spans: Most spans of a text; a text of more keeps its later ones whole.
        decoder_width, depth, heads: Of the decoder.
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        width: int,
        vocabulary: int,
        *,
        share: float,
        mean_length: int,
        spans: int,
        decoder_width: int,
        depth: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.modality, self.share, self.mean_length = modality, share, mean_length
        self.sentinels = list(range(vocabulary, vocabulary + spans + 1))
        self.read = nn.Linear(width, decoder_width)
        self.written = nn.Embedding(vocabulary + spans + 1, decoder_width)
        nn.init.normal_(self.written.weight, std=0.02)
        self.decoder = TokenTransformer(decoder_width, depth, heads)
        self.predict = nn.Linear(decoder_width, vocabulary + spans + 1)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Hide, encode, write; scores every token but the first sentinel, which is given."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        tokens = tower.tokenise(batch.inputs[self.modality])
        cut = self.cut(tokens)
        features = tower.encode(tokens, ~cut.hidden)
        assert features.tokens is not None
        real = features.mask if features.mask is not None else torch.ones_like(cut.hidden)
        states = self._decode(features.tokens, real, cut)
        wanted = cut.mask[:, 1:]
        return score_tokens(self.predict(states[:, :-1][wanted]), cut.written[:, 1:][wanted], wanted, len(batch))

    def cut(self, tokens: Tokens) -> CutTexts:
        """Draw the spans of every text; a text of fewer than two tokens has none and is not scored."""
        hidden, written = torch.zeros_like(tokens.mask), []
        for row, (ids, real) in enumerate(zip(tokens.targets, tokens.mask, strict=True)):
            place = real.nonzero()[:, 0]
            spans = draw_spans(len(place), self.share, self.mean_length)[: len(self.sentinels) - 1]
            for span in spans:
                hidden[row, place[span.start : span.stop]] = True
            end = ids.new_tensor(self.sentinels[len(spans) : len(spans) + 1] if spans else [])
            written.append(torch.cat([cut_spans(ids[place], spans, self.sentinels).targets, end]))
        most = max([1, *map(len, written)])
        count = torch.tensor([len(each) for each in written], dtype=torch.int64, device=hidden.device)
        mask = torch.arange(most, device=hidden.device) < count[:, None]
        padded = [functional.pad(each, (0, most - len(each))) for each in written]
        return CutTexts(hidden, torch.stack(padded) if padded else tokens.targets.new_zeros(0, most), mask)

    def _decode(self, states: Tensor, real: Tensor, cut: CutTexts) -> Tensor:
        """States of what is written: each place sees the whole text with its spans hidden, and what came before."""
        text, more = self.read(states), self.written(cut.written)
        joined = torch.cat([self._place(text), self._place(more.to(text.dtype))], 1)
        mask = torch.cat([real, cut.mask], 1)
        source = torch.cat([real, torch.zeros_like(cut.mask)], 1)
        decoded: Tensor = self.decoder(joined, mask, attention_visibility(mask, "encoder-decoder", source=source))
        return decoded[:, text.shape[1] :]

    @staticmethod
    def _place(values: Tensor) -> Tensor:
        places = torch.arange(values.shape[1], device=values.device, dtype=torch.float32)[:, None]
        return values + sinusoidal_positions(places, values.shape[2]).to(values.dtype)
