"""The masked autoencoder: encode the visible tokens only, rebuild the hidden ones with light decoders.

One loop serves images, volumes, point patches, spectrograms and several aligned modalities at once: they differ in how
tokens and targets are made and in the masker, not in the loop (MAE arXiv:2111.06377, Point-MAE arXiv:2203.06604).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.local.visible_tokens import VisibleTokens, gather_visible, scatter_visible

Encoder = Callable[[Float[Tensor, "batch visible width"], Bool[Tensor, "batch visible"]], Tensor]


class TokenDecoder(nn.Module):
    """Projected states at visible places, one learned mask token at the others, positions, blocks, linear outputs.

    Args:
        encoder_width: Width of the encoder's states.
        outputs: Numbers predicted for every token (values of a patch, codes of a vocabulary).
        width: Width of the decoder. (512 in MAE for an encoder of 768.)
        depth: Number of blocks. (8 in MAE, 4 in Point-MAE and M3AE.)
        heads: Attention heads.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(self, encoder_width: int, outputs: int, *, width: int = 512, depth: int = 8, heads: int = 16) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        nn.init.normal_(self.mask_token, std=0.02)
        self.transformer = TokenTransformer(width, depth, heads)
        self.predict = nn.Linear(width, outputs)

    def forward(
        self,
        states: Float[Tensor, "batch visible encoder_width"],
        tokens: VisibleTokens,
        positions: Float[Tensor, "*batch length width"],
        mask: Bool[Tensor, "batch length"],
    ) -> Float[Tensor, "batch length outputs"]:
        """Predict every token of the whole sequence from the visible ones' states.

        Shape:
            states: [batch, visible, encoder_width].
            positions: [batch, length, width] or [length, width]; fixed or learned, of every place.
            mask: [batch, length]; true = real token.
        """
        whole = scatter_visible(self.project(states), tokens, self.mask_token, mask.shape[1])
        predicted: Tensor = self.predict(self.transformer(whole + positions, mask))
        return predicted


class CrossModalDecoder(nn.Module):
    """MultiMAE's decoder of one modality: its places query the visible tokens of all modalities (arXiv:2204.01678).

    x = attention(norm(queries), norm(context)) without a residual from the queries, x + mlp(norm(x)), then blocks of
    self-attention and a linear output. A learned task embedding is added at the places of every modality.

    Args:
        encoder_width: Width of the encoder's states.
        modalities: Number of modalities, hence of task embeddings.
        outputs: Numbers predicted for every token.
        width, depth, heads: Of the decoder. (256, 2 and 8 in the paper.)

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(
        self,
        encoder_width: int,
        modalities: int,
        outputs: int,
        *,
        width: int = 256,
        depth: int = 2,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.task = nn.Parameter(torch.empty(modalities, width))
        for parameter in (self.mask_token, self.task):
            nn.init.normal_(parameter, std=0.02)
        self.query_norm, self.context_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.transformer = TokenTransformer(width, depth, heads)
        self.predict = nn.Linear(width, outputs)

    def forward(
        self,
        states: Float[Tensor, "batch visible encoder_width"],
        tokens: VisibleTokens,
        positions: Float[Tensor, "*batch length width"],
        mask: Bool[Tensor, "batch length"],
        modality: Int64[Tensor, "length"],
        of: int,
        shared: Float[Tensor, "batch shared encoder_width"] | None = None,
    ) -> Float[Tensor, "batch own outputs"]:
        """Predict the tokens of modality `of` from the visible tokens of all.

        Shape:
            states: [batch, visible, encoder_width]; of the modalities' sequences end to end.
            positions: [batch, length, width] or [length, width].
            mask: [batch, length]; true = real token.
            modality: [length]; the modality of every place.
            shared: [batch, shared, encoder_width]; states of tokens without a place (MultiMAE's global token).

        Returns:
            [batch, places of the modality, outputs].
        """
        whole = scatter_visible(self.project(states), tokens, self.mask_token, mask.shape[1])
        whole = whole + positions + self.task[modality]
        index = tokens.place[..., None].expand(-1, -1, self.width)
        context, real = whole.gather(1, index), tokens.mask
        if shared is not None:
            context = torch.cat([context, self.project(shared)], 1)
            real = torch.cat([real, real.new_ones(shared.shape[:2])], 1)
        own = modality == of
        mixed = self._attend(whole[:, own], context, real)
        mixed = mixed + self.mlp(self.mlp_norm(mixed))
        predicted: Tensor = self.predict(self.transformer(mixed, mask[:, own]))
        return predicted

    def _attend(self, queries: Tensor, context: Tensor, real: Tensor) -> Tensor:
        if not queries.numel() or not context.shape[1]:
            return torch.zeros_like(queries)
        # A sample without any visible token would be a softmax over nothing; it attends to its zeros instead.
        ignored = ~(real | ~real.any(1, keepdim=True))
        keys = self.context_norm(context)
        mixed: Tensor = self.attention(self.query_norm(queries), keys, keys, key_padding_mask=ignored)[0]
        return mixed


class MaskedAutoencoder(nn.Module):
    """encode(visible tokens), then decode the whole sequence.

    Args:
        encoder: Called with the visible tokens [batch, visible, width] and their mask; a `TokenTransformer` fits.
        decoder: Predicts every token from the visible ones' states.
    """

    def __init__(self, encoder: nn.Module, decoder: TokenDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        keep: Bool[Tensor, "batch length"],
        positions: Float[Tensor, "*batch length decoder_width"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch length outputs"]:
        """Predictions for every token; only those where `keep` is false are worth scoring.

        Shape:
            tokens: [batch, length, width]; embedded, the encoder's positions already added.
            keep: [batch, length]; false = hidden, which the encoder never sees.
            positions: [batch, length, decoder_width] or [length, decoder_width]; the decoder's own.
            mask: [batch, length]; true = real token; all are when None.
        """
        real = torch.ones_like(keep) if mask is None else mask
        visible = gather_visible(tokens, keep & real)
        states = self.encoder(visible.values, visible.mask)
        decoded: Tensor = self.decoder(states, visible, positions, real)
        return decoded
