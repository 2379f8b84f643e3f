"""Which token may look at which: every attention mask of the house is built here, and true means "may attend"."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

MaskKind = Literal["full", "causal", "prefix", "separate"]

QUERY_TEXT_MASKS: dict[str, MaskKind] = {"itc": "separate", "itm": "full", "icg": "prefix"}
"""The mask of each Q-Former objective over [queries; text]: contrast, matching, grounded captioning."""


def build_mask(
    kind: MaskKind,
    length: int,
    *,
    prefix: int | Int64[Tensor, "batch"] | None = None,
    real: Bool[Tensor, "batch length"] | None = None,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "batch length length"]:
    """Build the mask of a self-attention; entry [b, i, j] is true where token i may attend to token j.

    - "full": everything attends to everything (BERT; image-text matching of Q-Former).
    - "causal": j <= i.
    - "prefix": j <= i or j < prefix: the first `prefix` tokens see each other, later ones see them and their own past
      (prefix LM, UniLM arXiv:1905.03197; Croc's mixed attention). It is also Q-Former's captioning mask, with the
      queries as the prefix: text sees queries and earlier text, queries never see text.
    - "separate": the first `prefix` tokens and the rest see only their own side (Q-Former, arXiv:2301.12597: contrast).

    Padding is taken away last, so that an opened prefix cannot bring padded columns back (Croc's released code does).
    A padded row keeps its columns; a row without any column left attends to nothing and yields zeros in `attend`.

    Shape:
        prefix: a number, or [batch] for one a sample.
        real: [batch, length]; true = real token.

    Returns:
        [batch, length, length]; batch is 1 when neither `prefix` nor `real` is per sample.

    Raises:
        ValueError: The kind is unknown, a prefix is missing, superfluous or outside [0, length], or shapes differ.
    """
    if kind not in get_args(MaskKind):
        raise ValueError(f"the mask kind is {kind!r}; take one of {', '.join(get_args(MaskKind))}.")
    if (prefix is not None) != (kind in ("prefix", "separate")):
        raise ValueError(f"a {kind!r} mask was given prefix={prefix}; 'prefix' and 'separate' need one, others none.")
    if device is None:
        given = [value.device for value in (real, prefix) if isinstance(value, Tensor)]
        device = given[0] if given else "cpu"
    if kind in ("full", "causal"):
        allowed = torch.ones(1, length, length, dtype=torch.bool, device=device)
        allowed = allowed.tril() if kind == "causal" else allowed
    else:
        allowed = _two_parts(kind, length, torch.as_tensor(prefix, device=device))
    if real is None:
        return allowed
    if real.dtype != torch.bool or real.ndim != 2 or real.shape[1] != length:
        raise ValueError(f"real is {real.dtype} {tuple(real.shape)}; it has to be bool [batch, {length}].")
    if allowed.shape[0] not in (1, real.shape[0]):
        raise ValueError(f"prefix is given for {allowed.shape[0]} samples and real for {real.shape[0]}.")
    return allowed & real[:, None, :]


def _two_parts(kind: MaskKind, length: int, prefix: Tensor) -> Bool[Tensor, "batch length length"]:
    if prefix.ndim > 1 or prefix.is_floating_point() or bool(((prefix < 0) | (prefix > length)).any()):
        raise ValueError(f"prefix is {prefix.tolist()}; it has to be whole numbers from 0 to the length {length}.")
    position = torch.arange(length, device=prefix.device)
    first = position < prefix.reshape(-1, 1)
    if kind == "separate":
        return first[:, :, None] == first[:, None, :]
    return (position[:, None] >= position) | first[:, None, :]


def prefix_lengths(labels: Int64[Tensor, "batch length"], ignored: int = -100) -> Int64[Tensor, "batch"]:
    """How many tokens precede the first supervised label; a row without any is prefix from end to end.

    The prefix that Croc (deepglint/Croc, released code) opens: system text, soft tokens and instruction alike.
    """
    supervised = labels != ignored
    position = torch.arange(labels.shape[1], device=labels.device).expand_as(labels)
    return position.masked_fill(~supervised, labels.shape[1]).amin(1) if labels.shape[1] else labels.sum(1)


def require_mask(name: str, mask: Bool[Tensor, "batch keys"], tokens: Tensor) -> None:
    """Refuse a mask that is not bool or does not cover the tokens it belongs to."""
    if mask.dtype != torch.bool or mask.shape != tokens.shape[:2]:
        raise ValueError(
            f"{name} is {mask.dtype} {tuple(mask.shape)}; "
            f"it has to be bool {tuple(tokens.shape[:2])}, true = real token."
        )


def without_padding(
    name: str, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None
) -> Float[Tensor, "batch length width"]:
    """Tokens with zeros where `mask` is false, so that nothing in padding, NaN included, reaches a product.

    Raises:
        ValueError: The mask, called `name`, does not fit.
    """
    if mask is None:
        return tokens
    require_mask(name, mask, tokens)
    return tokens.masked_fill(~mask[..., None], 0.0)
