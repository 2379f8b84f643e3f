"""Sequences of unequal lengths without padding: tokens end to end, attention inside each length.

Everything token by token (norms, projections, MLPs) then runs on real tokens alone, and attention needs no mask, which
is the faster kernel. Sequences are ordered by length once, so that those of one length are attended in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.text.block import TransformerBlock


@dataclass(frozen=True, eq=False)
class PackedTokens:
    """The real tokens of a batch, sequences by rising length.

    Args:
        values: The tokens.
        place: Where each stood in the padded batch, samples times length flattened.
        groups: Number of sequences and their length, for each length that occurs.
        shape: Samples and length of the padded batch.

    Shape:
        values: [total, width]; place: [total].
    """

    values: Float[Tensor, "total width"]
    place: Int64[Tensor, "total"]
    groups: tuple[tuple[int, int], ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, values: Float[Tensor, "batch length width"], real: Bool[Tensor, "batch length"]) -> PackedTokens:
        """Pack the tokens where `real` is true; a sample without any has no part.

        Raises:
            ValueError: The shapes do not describe the same tokens.
        """
        if values.shape[:2] != real.shape:
            raise ValueError(f"tokens of {list(values.shape[:2])} and a mask of {list(real.shape)} do not fit together")
        lengths = real.sum(1)
        order = torch.argsort(lengths, stable=True)
        sample, position = real[order].nonzero(as_tuple=True)
        place = order[sample] * real.shape[1] + position
        length, count = torch.unique_consecutive(lengths[order], return_counts=True)
        groups = tuple((many, each) for many, each in zip(count.tolist(), length.tolist(), strict=True) if each)
        return cls(values.flatten(0, 1)[place], place, groups, (values.shape[0], values.shape[1]))

    def padded(self, values: Float[Tensor, "total width"]) -> Float[Tensor, "batch length width"]:
        """States in the order of this packing, back where they stood; zero elsewhere."""
        samples, length = self.shape
        whole = values.new_zeros(samples * length, values.shape[1])
        return whole.index_copy(0, self.place, values).view(samples, length, -1)

    def attend(self, query_key_value: Float[Tensor, "total triple"], heads: int) -> Float[Tensor, "total width"]:
        """Self-attention inside each sequence, from its packed queries, keys and values."""
        parts = []
        sizes = [count * length for count, length in self.groups]
        for (count, length), part in zip(self.groups, torch.split(query_key_value, sizes), strict=True):
            query, key, value = part.view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(query, key, value)
            parts.append(mixed.transpose(1, 2).reshape(count * length, -1))
        return torch.cat(parts) if parts else query_key_value[:, : query_key_value.shape[1] // 3]


def packed_block(
    block: TransformerBlock, values: Float[Tensor, "total width"], packing: PackedTokens
) -> Float[Tensor, "total width"]:
    """What `block` makes of the same sequences in a padded batch with a mask, at the cost of the real tokens.

    Shape:
        values: [total, width], in the order of `packing`.
    """
    attended = packing.attend(block.query_key_value(block.attention_norm(values)), block.heads)
    values = values + block.dropout(block.attention_out(attended))
    transformed: Tensor = values + block.dropout(block.mlp_out(functional.gelu(block.mlp_in(block.mlp_norm(values)))))
    return transformed
