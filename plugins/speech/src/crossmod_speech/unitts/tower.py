"""The causal language model over texts and codes, which is the text tower of its models."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod.objectives.local.token_transformer import TokenTransformer, attention_visibility
from crossmod.text.byte_pair import PADDING, BytePairProcessor
from crossmod.text.inputs import TextInputs
from crossmod_speech.unitts.tokens import TokenMap


@final
class SpokenLanguageTower(Tower):
    """A causal transformer whose vocabulary is a text's, control tokens, and the codes of a codec (UniTTS).

    The prediction shares its matrix with the embedding [ours, for small models]. As a tower of texts it gives the state
    of each token and of the last one.

    Args:
        processor: What makes its texts.
        codes: Codes of the codec.
        longest: Most tokens of a document.
        width: Width of the tokens.
        depth: Blocks.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of embedded tokens and of what each branch adds.
    """

    def __init__(
        self,
        processor: BytePairProcessor,
        *,
        codes: int,
        longest: int,
        width: int,
        depth: int,
        heads: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.processor, self.width, self.longest = processor, width, longest
        self.tokens = TokenMap(processor.vocabulary, codes)
        self.embedding = nn.Embedding(self.tokens.size, width)
        self.positions = nn.Parameter(torch.empty(longest, width))
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)
        self.dropout = nn.Dropout(dropout)
        self.transformer = TokenTransformer(width, depth, heads, dropout=dropout)

    def forward(self, inputs: TextInputs, /) -> Features:
        """States of texts, and that of the last token."""
        ids, mask = inputs.padded(PADDING)
        states = self.states(ids[:, : self.longest], mask[:, : self.longest])
        real = mask[:, : self.longest]
        last = (real.sum(1) - 1).clamp(min=0)
        pooled = states[torch.arange(len(states), device=states.device), last] if states.numel() else states.sum(1)
        return Features(pooled, states, real)

    def states(
        self, ids: Int64[Tensor, "batch length"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """States of documents: that of a token has seen it and what stands before it.

        Shape:
            ids: [batch, length]; mask: [batch, length], true = real token.

        Raises:
            ValueError: Documents are longer than there are positions.
        """
        if ids.shape[1] > self.longest:
            raise ValueError(f"a document of {ids.shape[1]} tokens was given to a model of {self.longest}; cut it.")
        values = self.dropout(self.embedding(ids) + self.positions[: ids.shape[1]])
        states: Tensor = self.transformer(values, mask, attention_visibility(mask, "decoder"))
        return states

    def logits(self, states: Float[Tensor, "*tokens width"]) -> Float[Tensor, "*tokens vocabulary"]:
        """Scores of the next token."""
        return states @ self.embedding.weight.T.to(states.dtype)

    @torch.no_grad()
    def embed_codes(self, codebook: Float[Tensor, "codes code_width"]) -> None:
        """Start the codes' embeddings at the codec's codebook, brought to the deviation of the others.

        Raises:
            ValueError: It has another number of codes, or another width.
        """
        own = self.embedding.weight[self.tokens.first_code :]
        if codebook.shape != own.shape:
            raise ValueError(
                f"a codebook of {list(codebook.shape)} cannot start embeddings of {list(own.shape)}; give the codec a "
                "code_width that is the language model's width, and both as many codes."
            )
        centred = codebook - codebook.mean(0)
        own.copy_(0.02 * centred / centred.std().clamp(min=1e-8))
