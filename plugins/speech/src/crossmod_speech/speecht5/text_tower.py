"""The tower of texts: SpeechT5's pre- and post-nets of text, which know the vocabulary; the encoder is the speech's."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod.text.byte_pair import PADDING, BytePairProcessor
from crossmod.text.inputs import TextInputs
from crossmod_speech.speecht5.positions import ScaledPositions

BLANK = PADDING
"""CTC's blank: no text holds padding."""


@final
class SpeechT5TextTower(Tower):
    """One embedding for what the encoder reads, what the decoder reads and what it writes, and the layer of CTC.

    The shared encoder belongs to the speech tower, so that what this tower itself says of a text, the mean of its
    embedded tokens, is no sentence vector: objectives read texts through both towers.

    Args:
        processor: Makes token ids.
        width: Of the shared encoder-decoder.
        dropout: Probability of dropping a component of embedded tokens.
    """

    processor: BytePairProcessor

    def __init__(self, processor: BytePairProcessor, width: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.processor, self.width, self.vocabulary = processor, width, processor.vocabulary
        self.embedding = nn.Embedding(self.vocabulary, width, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        with torch.no_grad():
            self.embedding.weight[PADDING].zero_()
        self.read_positions, self.written_positions = ScaledPositions(), ScaledPositions()
        self.dropout = nn.Dropout(dropout)
        self.ctc = nn.Linear(width, self.vocabulary)

    def forward(self, inputs: TextInputs, /) -> Features:
        """Embed texts; the pooled vector is the mean of the tokens."""
        ids, mask = inputs.padded(PADDING)
        tokens = self.embedding(ids)
        return Features(tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), tokens, mask)

    def read(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        """Tokens for the shared encoder."""
        placed: Tensor = self.read_positions(self._embedded(ids))
        return placed

    def written(self, ids: Int64[Tensor, "batch length"], first: int = 0) -> Float[Tensor, "batch length width"]:
        """Tokens for the shared decoder, of which the first stands at `first`."""
        placed: Tensor = self.dropout(self.written_positions(self._embedded(ids), first))
        return placed

    def logits(self, states: Float[Tensor, "*tokens width"]) -> Float[Tensor, "*tokens vocabulary"]:
        """Logits of the next token, by the embedding itself."""
        return states @ self.embedding.weight.to(states.dtype).T

    def _embedded(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        embedded: Tensor = self.embedding(ids) * self.width**0.5
        return embedded


def padded_ids(
    rows: list[Int64[Tensor, "length"]], device: torch.device
) -> tuple[Int64[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Rows of ids of different lengths, padded, and a mask that is true on real tokens."""
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING).to(device)
    counts = torch.tensor([len(row) for row in rows], device=device)
    return ids, torch.arange(ids.shape[1], device=device) < counts[:, None]
