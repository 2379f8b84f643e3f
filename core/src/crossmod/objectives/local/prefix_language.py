"""Prefix language modelling as a term of a recipe: the tower reads a prefix, a light decoder writes on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import TokenTower
from crossmod.objectives.local.patches import sinusoidal_positions
from crossmod.objectives.local.prefix import draw_prefixes, shift_right
from crossmod.objectives.local.token_scores import score_tokens
from crossmod.objectives.local.token_transformer import TokenTransformer, attention_visibility


class PrefixLanguageObjective(Objective):
    """Predict what follows a prefix, token by token (prefix LM of T5, arXiv:1910.10683; SimVLM, arXiv:2108.10904).

    The tower encodes the prefix with everything after it hidden, which betrays the length and nothing else; a decoder
    of this objective's own attends to those states and, causally, to the tokens already written [ours: towers have no
    causal mode, so the decoder is not the tower itself].

    Args:
        modality: The modality whose tokens are predicted.
        width: Width of its tower's tokens.
        vocabulary: Number of discrete tokens.
        smallest, largest: Range of the prefix's share of the real tokens.
        decoder_width, depth, heads: Of the decoder.
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        width: int,
        vocabulary: int,
        *,
        smallest: float,
        largest: float,
        decoder_width: int,
        depth: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.modality, self.smallest, self.largest = modality, smallest, largest
        self.read = nn.Linear(width, decoder_width)
        self.written = nn.Linear(width, decoder_width)
        self.decoder = TokenTransformer(decoder_width, depth, heads)
        self.predict = nn.Linear(decoder_width, vocabulary)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Cut, encode the prefix, predict the rest."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        tokens = tower.tokenise(batch.inputs[self.modality])
        prefix = draw_prefixes(tokens.mask, self.smallest, self.largest)
        follows = tokens.mask & ~prefix
        features = tower.encode(tokens, ~follows)
        assert features.tokens is not None
        real = features.mask if features.mask is not None else torch.ones_like(follows)
        states = self._decode(features.tokens, tokens.values, real, follows)
        return score_tokens(self.predict(states[follows]), tokens.targets[follows], follows, len(batch))

    def _decode(self, states: Tensor, values: Tensor, real: Tensor, follows: Tensor) -> Tensor:
        """Place i of what follows holds token i - 1, so that its state may predict token i."""
        written = self.written(shift_right(values))
        mixed = torch.where(follows[..., None], written, self.read(states))
        places = torch.arange(mixed.shape[1], device=mixed.device, dtype=torch.float32)[:, None]
        mixed = mixed + sinusoidal_positions(places, mixed.shape[2]).to(mixed.dtype)
        visibility = attention_visibility(real, "encoder-decoder", source=real & ~follows)
        decoded: Tensor = self.decoder(mixed, real, visibility)
        return decoded
