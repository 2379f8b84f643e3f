"""Sequences of unequal lengths without padding: tokens end to end, attention inside each sequence.

Everything token by token (norms, projections, MLPs) then runs on real tokens alone. On a CPU attention needs no mask
either, which is the faster kernel: sequences are ordered by length once, so that those of one length share a call.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Packing:
    """Where the real tokens of a batch stand when they are laid end to end, sequences by rising length.

    Args:
        place: Where each stood in the padded batch, samples times length flattened.
        groups: Number of sequences and their length, for each length that occurs; a sample without a token has none.
        real: Which tokens of the padded batch are real.

    Shape:
        place: [total]; real: [batch, length].
    """

    place: Int64[Tensor, "total"]
    groups: tuple[tuple[int, int], ...]
    real: Bool[Tensor, "batch length"]

    @classmethod
    def of(cls, real: Bool[Tensor, "batch length"]) -> Packing:
        """The packing of the tokens where `real` is true; they need not stand in front."""
        lengths = real.sum(1)
        order = torch.argsort(lengths, stable=True)
        sample, position = real[order].nonzero(as_tuple=True)
        place = order[sample] * real.shape[1] + position
        length, count = torch.unique_consecutive(lengths[order], return_counts=True)
        groups = tuple((many, each) for many, each in zip(count.tolist(), length.tolist(), strict=True) if each)
        return cls(place, groups, real)

    def pack(self, padded: Float[Tensor, "batch length *width"]) -> Float[Tensor, "total *width"]:
        """The real tokens of a padded batch.

        Raises:
            ValueError: The batch is not of the packed shape.
        """
        if padded.shape[:2] != self.real.shape:
            raise ValueError(
                f"tokens of {list(padded.shape[:2])} and a packing of {list(self.real.shape)} do not fit together"
            )
        return padded.flatten(0, 1)[self.place]

    def unpack(self, packed: Float[Tensor, "total *width"]) -> Float[Tensor, "batch length *width"]:
        """States back where their tokens stood; zero elsewhere."""
        samples, length = self.real.shape
        whole = packed.new_zeros(samples * length, *packed.shape[1:])
        return whole.index_copy(0, self.place, packed).view(samples, length, *packed.shape[1:])

    def attend(self, query_key_value: Float[Tensor, "total triple"], heads: int) -> Float[Tensor, "total width"]:
        """Self-attention inside each sequence, from packed queries, keys and values."""
        if not self.groups:
            return query_key_value[:, : query_key_value.shape[1] // 3]
        # Many small calls would wait for an accelerator's launches.
        by_length = query_key_value.device.type == "cpu"
        return self._by_length(query_key_value, heads) if by_length else self._padded(query_key_value, heads)

    def _by_length(self, query_key_value: Tensor, heads: int) -> Tensor:
        parts = []
        sizes = [count * length for count, length in self.groups]
        for (count, length), part in zip(self.groups, torch.split(query_key_value, sizes), strict=True):
            query, key, value = part.view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(query, key, value)
            parts.append(mixed.transpose(1, 2).reshape(count * length, -1))
        return torch.cat(parts)

    def _padded(self, query_key_value: Tensor, heads: int) -> Tensor:
        samples, length = self.real.shape
        query, key, value = self.unpack(query_key_value).view(samples, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=self.real[:, None, None, :])
        return self.pack(mixed.transpose(1, 2).flatten(2))
