"""The shared decoder one token at a time: what was computed of the tokens before is kept."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.fusion.attention import MultiHeadAttention, attend
from crossmod.fusion.cross_attention import CrossAttentionLayer
from crossmod_speech.speecht5.decoder import SharedDecoder

KeysValues = tuple[Tensor, Tensor]
"""Keys and values, [rows, heads, tokens, size] each."""


class DecodingSteps:
    """Sequences that grow by one token a call; gives what `SharedDecoder` gives of the whole, to rounding.

    Args:
        decoder: The decoder, in evaluation mode.
        states: What the encoder makes of every source.
        mask: Which states are real.

    Shape:
        states: [sources, keys, width]; mask: [sources, keys].
    """

    def __init__(
        self,
        decoder: SharedDecoder,
        states: Float[Tensor, "sources keys width"],
        mask: Bool[Tensor, "sources keys"],
    ) -> None:
        self._layers: list[CrossAttentionLayer] = []
        for layer in decoder.layers:
            assert isinstance(layer, CrossAttentionLayer)
            self._layers.append(layer)
        self._norm, self._mask = decoder.norm, mask
        real = states.masked_fill(~mask[..., None], 0.0)
        self._read = [_keys_values(layer.cross, real) for layer in self._layers]
        self._before: list[KeysValues | None] = [None] * len(self._layers)

    def __call__(
        self, tokens: Float[Tensor, "rows width"], parent: Int64[Tensor, "rows"]
    ) -> Float[Tensor, "rows width"]:
        """What the decoder makes of the newest token of every sequence.

        Args:
            tokens: The newest tokens.
            parent: Which row of the call before, or which source at the first call, each sequence continues.
        """
        moved = len(parent) != len(self._mask) or not torch.equal(
            parent, torch.arange(len(parent), device=parent.device)
        )
        if moved:
            self._mask = self._mask[parent]
            self._read = [(key[parent], value[parent]) for key, value in self._read]
            self._before = [None if each is None else (each[0][parent], each[1][parent]) for each in self._before]
        states = tokens[:, None]
        for number, layer in enumerate(self._layers):
            states = self._layer(number, layer, states)
        newest: Tensor = self._norm(states)[:, 0]
        return newest

    def _layer(self, number: int, layer: CrossAttentionLayer, states: Tensor) -> Tensor:
        own, residual = layer.own, layer.own_residual
        assert own is not None and residual is not None
        states = residual(states, lambda normed: self._own(number, own, normed))
        key, value = self._read[number]
        states = layer.cross_residual(
            states, lambda normed: _attended(layer.cross, normed, key, value, self._mask[:, None, None])
        )
        transformed: Tensor = layer.mlp_residual(states, layer.mlp)
        return transformed

    def _own(self, number: int, attention: MultiHeadAttention, normed: Tensor) -> Tensor:
        key, value = _keys_values(attention, normed)
        before = self._before[number]
        if before is not None:
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        self._before[number] = key, value
        return _attended(attention, normed, key, value, None)


def _keys_values(attention: MultiHeadAttention, context: Tensor) -> KeysValues:
    key, value = attention.key_value(context).chunk(2, -1)
    return _by_head(attention, key), _by_head(attention, value)


def _attended(attention: MultiHeadAttention, tokens: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    mixed = attend(_by_head(attention, attention.query(tokens)), key, value, mask)
    read: Tensor = attention.out(mixed.transpose(1, 2).flatten(2))
    return read


def _by_head(attention: MultiHeadAttention, packed: Tensor) -> Tensor:
    rows, tokens, width = packed.shape
    return packed.view(rows, tokens, attention.heads, width // attention.heads).transpose(1, 2)
