"""Sets of tokens as rows of one matrix: checked once, of length one if asked, and zero where padding was."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod_kernels.unit_rows import unit_rows


@dataclass(frozen=True)
class TokenRows:
    """All tokens of all samples end to end.

    Shape: rows (samples * length, dim), the operands of products; norms (samples * length, 1) or None; weights
        (samples, length), 1 / (number of real tokens) or 0; bias (samples, length), 0 or -inf, None without padding.
    """

    rows: Tensor
    norms: Tensor | None
    weights: Tensor
    bias: Tensor | None

    @property
    def samples(self) -> int:
        return self.weights.shape[0]

    @property
    def length(self) -> int:
        return self.weights.shape[1]

    def bias_of(self, samples: slice) -> Tensor | None:
        """What keeps the padding of these samples out of a maximum."""
        return None if self.bias is None else self.bias[samples]


def token_rows(
    tokens: Float[Tensor, "samples length dim"],
    mask: Bool[Tensor, "samples length"] | None,
    exact: torch.dtype,
    operand: torch.dtype,
    *,
    normalise: bool,
) -> TokenRows:
    """Tokens as operands of type `operand`, norms and weights in `exact`.

    Shape: tokens (samples, length, dim); mask (samples, length), true = real.
    """
    samples, length, dim = tokens.shape
    unit = unit_rows(tokens.reshape(samples * length, dim), exact, normalise=normalise)
    rows, norms = unit.rows, unit.norms
    weights = torch.full((samples, length), 1 / length, dtype=exact, device=tokens.device)
    if mask is None or bool(mask.all()):
        return TokenRows(rows.to(operand), norms, weights, None)
    padding = ~mask.reshape(-1, 1)
    if rows.data_ptr() == tokens.data_ptr():
        rows = rows.masked_fill(padding, 0.0)
    else:
        rows.masked_fill_(padding, 0.0)
    if norms is not None:
        norms.masked_fill_(padding, 1.0)
    weights = mask.to(exact) / mask.sum(1, keepdim=True)
    bias = torch.zeros(mask.shape, dtype=operand, device=tokens.device).masked_fill_(~mask, -torch.inf)
    return TokenRows(rows.to(operand), norms, weights, bias)


def check_token_sets(a: Tensor, b: Tensor, mask_a: Tensor | None, mask_b: Tensor | None) -> None:
    """Refuse two sets of tokens that no interaction can be taken between.

    Raises:
        ValueError: for sets that are empty, of different widths or on different devices, masks that do not fit, or a
            sample without a real token.
    """
    for name, tokens, mask in (("a", a, mask_a), ("b", b, mask_b)):
        if tokens.dim() != 3 or not tokens.is_floating_point() or 0 in tokens.shape:
            raise ValueError(
                f"tokens {name} have shape {tuple(tokens.shape)} and type {tokens.dtype}: pass a floating "
                "(samples, length, dim) with at least one of each"
            )
        if mask is None:
            continue
        if mask.shape != tokens.shape[:2] or mask.dtype != torch.bool or mask.device != tokens.device:
            raise ValueError(
                f"mask_{name} has shape {tuple(mask.shape)} and type {mask.dtype} on {mask.device} beside tokens of "
                f"shape {tuple(tokens.shape)} on {tokens.device}: pass a bool (samples, length) there, true = real"
            )
        if not bool(mask.any(1).all()):
            row = int((~mask.any(1)).nonzero()[0])
            raise ValueError(f"sample {row} of {name} has no real token: drop it from the batch")
    if a.shape[2] != b.shape[2] or a.device != b.device:
        raise ValueError(
            f"tokens a have {a.shape[2]} dimensions on {a.device} and b have {b.shape[2]} on {b.device}: project both "
            "to one width on one device"
        )
