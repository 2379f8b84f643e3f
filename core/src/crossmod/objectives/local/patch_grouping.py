"""Grouping: patches are given to a few learned group tokens, which become the segments of a picture.

The block of GroupViT (arXiv:2202.11094, released code), which MixReorg (ICCV 2023) trains with mixed patches.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.objectives.local.gumbel_quantiser import gumbel_one_hot
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened, without_autocast


class Grouped(NamedTuple):
    """What a grouping block returns.

    Shape:
        tokens: [batch, groups, width]; the new group tokens.
        assignment: [batch, groups, length]; each token's one group, with the gradient of its softmax; zero at padding.
        shares: [batch, groups, length]; the softmax over groups without noise; zero at padding.
    """

    tokens: Float[Tensor, "batch groups width"]
    assignment: Float[Tensor, "batch groups length"]
    shares: Float[Tensor, "batch groups length"]


def assign_groups(
    scores: Float[Tensor, "batch groups length"],
    *,
    noisy: bool,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch groups length"]:
    """Each token's one group, onehot(argmax) - stopped(soft) + soft: every group's score has a gradient.

    Args:
        noisy: soft = softmax over groups of (scores + Gumbel noise), temperature 1 (training); without noise else.

    Shape:
        scores: [batch, groups, length]. Half precision is assigned in float32: rounding would leave no one-hot.

    Raises:
        ValueError: There is no group, or scores are not of three dimensions.
    """
    if scores.ndim != 3 or not scores.shape[1]:
        raise ValueError(
            f"scores of shape {list(scores.shape)} assign nothing; pass [batch, groups, length] with at least one group"
        )
    by_token = widened(scores).transpose(1, 2)
    if noisy:
        return gumbel_one_hot(by_token, 1.0, generator).transpose(1, 2)
    soft = by_token.softmax(-1)
    hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
    return (hard + soft - soft.detach()).transpose(1, 2)


def mean_of_group(
    assignment: Float[Tensor, "batch groups length"], values: Float[Tensor, "batch length width"]
) -> Float[Tensor, "batch groups width"]:
    """sum_l A_gl v_l / (sum_l A_gl + 1): a group without tokens is zero, and a small one is shrunk.

    The 1 is the released code's and keeps training stable; a plain mean gives other results.

    Shape:
        assignment: [batch, groups, length]; values: [batch, length, width].
    """
    return (assignment / (assignment.sum(2, keepdim=True) + 1)) @ values


class GroupingBlock(nn.Module):
    """Group tokens mixed to fewer, told by the tokens, and given the tokens that are theirs (arXiv:2202.11094).

    g = norm(mlp over groups(norm(groups))), then cross-attention to norm(x) and an MLP, with residuals;
    S = (W_q g)(W_k x)^T / sqrt(width); A = `assign_groups`; z = W_o `mean_of_group`(A, W_v x) + g; z + mlp(norm(z)).

    Args:
        width: Width of tokens and groups. (384.)
        entering: Group tokens that come in. (64, then 8.)
        groups: Groups that go out. (8, then 8.)
        heads: Attention heads of the cross-attention; the assignment has one. (6.)

    Raises:
        ValueError: The heads do not divide the width, or there is no group.
    """

    def __init__(self, width: int, entering: int, groups: int, *, heads: int = 6) -> None:
        super().__init__()
        if width % heads or min(entering, groups) < 1:
            raise ValueError(
                f"{entering} group tokens of width {width} cannot become {groups} with {heads} heads; take at least "
                "one of each, and heads that divide the width"
            )
        hidden = max(1, width // 2)
        self.norm_groups, self.norm_tokens, self.norm_mixed = (nn.LayerNorm(width) for _ in range(3))
        self.mix = nn.Sequential(nn.Linear(entering, hidden), nn.GELU(), nn.Linear(hidden, groups))
        self.read = nn.MultiheadAttention(width, heads, batch_first=True)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.told, self.mlp = _mlp(width), _mlp(width)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        groups: Float[Tensor, "batch entering width"],
        mask: Bool[Tensor, "batch length"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Grouped:
        """Group; noisy in training alone.

        Shape:
            tokens: [batch, length, width].
            groups: [batch, entering, width].
            mask: [batch, length]; true = real token; all are when None.
        """
        real = tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
        seen = self.norm_tokens(tokens)
        mixed = self.norm_mixed(self.mix(self.norm_groups(groups).transpose(1, 2)).transpose(1, 2))
        mixed = mixed + self._read(mixed, seen, real)
        mixed = mixed + self.told(mixed)
        scores = self.query(mixed) @ self.key(seen).transpose(1, 2) / seen.shape[2] ** 0.5
        wide = widened(scores)
        assignment = assign_groups(wide, noisy=self.training, generator=generator) * real[:, None]
        held = self.out(mean_of_group(assignment.to(seen.dtype), self.value(seen))) + mixed
        return Grouped(held + self.mlp(held), assignment, wide.softmax(1) * real[:, None])

    def _read(self, mixed: Tensor, seen: Tensor, real: Tensor) -> Tensor:
        if not seen.numel():
            return torch.zeros_like(mixed)
        # A sample without any token would be a softmax over nothing; it reads zeros instead.
        ignored = ~(real | ~real.any(1, keepdim=True))
        found: Tensor = self.read(mixed, seen, seen, key_padding_mask=ignored)[0]
        return found


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


def grouped_patch_logits(
    shares: Float[Tensor, "batch groups length"],
    groups: Float[Tensor, "batch groups dim"],
    texts: Float[Tensor, "batch texts dim"],
    scale: float,
) -> Float[Tensor, "batch length texts"]:
    """scale * sum_g A_gp <z_g, t_j>: what `mixture_segmentation_loss` takes of a grouping model [ours].

    Shape:
        shares: [batch, groups, length]; of two blocks, `second.shares @ first.shares`.
        groups: [batch, groups, dim]; texts: [batch, texts, dim]; both L2-normalised.

    Returns:
        [batch, length, texts]; in float32 at least, with or without autocast.

    Raises:
        ValueError: Batches, groups or widths differ.
    """
    require_shape((*shares.shape[:2], groups.shape[-1]), groups=groups)
    require_shape((len(groups), *texts.shape[1:-1], groups.shape[2]), texts=texts)
    with without_autocast(shares):
        shares, groups, texts = widened(shares), widened(groups), widened(texts)
        return scale * shares.transpose(1, 2) @ (groups @ texts.transpose(1, 2))
