"""RLIPv2: one matrix of logits read in both directions, with gates, between a deep and a thin tower."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.gate import Gate, GateKind
from crossmod.fusion.masks import without_padding

LARGEST_LOGIT = 50_000.0
"""Clamp of the logits in the released code; keeps half precision finite."""


def masked_softmax(
    logits: Float[Tensor, "*rows keys"], mask: Bool[Tensor, "*rows keys"] | None
) -> Float[Tensor, "*rows keys"]:
    """Softmax over the last axis where `mask` is true, in at least float32; a row without any true gives zeros."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    if mask is None:
        return wide.softmax(-1)
    sees = mask.any(-1, keepdim=True)
    return wide.masked_fill(~mask & sees, -torch.inf).softmax(-1).masked_fill(~sees, 0.0)


class GatedBiAttention(nn.Module):
    """a <- LN(a) + g_a softmax_b(A) b V_b O_a, b <- LN(b) + g_b softmax_a(A^T) a V_a O_b (RLIPv2, arXiv:2308.09351).

    A = (a Q + positions)(b K)^T / sqrt(size), clamped to +-50,000. The residual base is the normalised input, so a
    gate at zero gives the layer norms of the inputs, not the inputs. A token that sees no key adds zero.

    Args:
        width_a: Width of side a.
        width_b: Width of side b.
        inner_width: Width of logits and values over all heads (2048 in the paper).
        heads: Attention heads (8).
        gate: "scalar" in the paper's final configuration; "channel" is GLIP's.
        gate_initial: Where the gates start; 1/levels in the paper, and it has four levels of visual tokens.
        dropout: Probability of dropping a component of what is added (0.1).

    Raises:
        ValueError: The heads do not divide the inner width.
    """

    def __init__(
        self,
        width_a: int,
        width_b: int,
        *,
        inner_width: int,
        heads: int = 8,
        gate: GateKind = "scalar",
        gate_initial: float = 0.25,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if heads < 1 or inner_width % heads:
            raise ValueError(f"attention of width {inner_width} does not divide into {heads} heads; take a divisor.")
        self.heads = heads
        self.norm_a, self.norm_b = nn.LayerNorm(width_a), nn.LayerNorm(width_b)
        self.query, self.value_a = nn.Linear(width_a, inner_width), nn.Linear(width_a, inner_width)
        self.key, self.value_b = nn.Linear(width_b, inner_width), nn.Linear(width_b, inner_width)
        self.out_a, self.out_b = nn.Linear(inner_width, width_a), nn.Linear(inner_width, width_b)
        self.gate_a, self.gate_b = Gate(gate, width_a, gate_initial), Gate(gate, width_b, gate_initial)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.query, self.key, self.value_a, self.value_b, self.out_a, self.out_b):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        a: Float[Tensor, "batch length_a width_a"],
        b: Float[Tensor, "batch length_b width_b"],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
        *,
        positions: Float[Tensor, "#batch length_a inner_width"] | None = None,
    ) -> tuple[Float[Tensor, "batch length_a width_a"], Float[Tensor, "batch length_b width_b"]]:
        """Fuse both sides; masks are true at real tokens, `positions` join the projected queries of side a.

        Raises:
            ValueError: A mask does not fit, or the sides differ in their number of rows.
        """
        require_one_batch(a=a, b=b)
        a, b = without_padding("mask_a", a, mask_a), without_padding("mask_b", b, mask_b)
        a, b = self.norm_a(a), self.norm_b(b)
        logits = self._logits(a, b, positions)
        to_a = _weights(logits, mask_b)
        to_b = _weights(logits.transpose(-1, -2), mask_a)
        read_a = self.out_a(_merge(to_a @ self._split(self.value_b(b)).to(to_a.dtype)).to(a.dtype))
        read_b = self.out_b(_merge(to_b @ self._split(self.value_a(a)).to(to_b.dtype)).to(b.dtype))
        a = a + self.gate_a(self.dropout(_cleared_rows(read_a, mask_b)))
        b = b + self.gate_b(self.dropout(_cleared_rows(read_b, mask_a)))
        return a, b

    def _logits(self, a: Tensor, b: Tensor, positions: Tensor | None) -> Float[Tensor, "batch heads length_a length_b"]:
        query = self.query(a) if positions is None else self.query(a) + positions
        query, key = self._split(query), self._split(self.key(b))
        logits: Tensor = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        return logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)

    def _split(self, packed: Tensor) -> Float[Tensor, "batch heads length size"]:
        batch, length, inner = packed.shape
        return packed.view(batch, length, self.heads, inner // self.heads).transpose(1, 2)


def _merge(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)


def _weights(logits: Tensor, mask: Tensor | None) -> Tensor:
    return masked_softmax(logits, None if mask is None else mask[:, None, None, :].expand_as(logits))


def _cleared_rows(read: Tensor, key_mask: Tensor | None) -> Tensor:
    """Zero for samples without any key: not even the bias of the output projection is added."""
    return read if key_mask is None else read.masked_fill(~key_mask.any(1)[:, None, None], 0.0)
