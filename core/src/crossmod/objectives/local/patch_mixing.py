"""Mixed patches: samples of a set exchange patches place by place, so that every patch's source is known.

MixReorg (ICCV 2023) mixes patch features of several images and learns to tell which caption a patch belongs to. The
paper's code was never released; every step here marked [ours] is crossmod's own definition.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened


def patch_sources(
    sets: int, members: int, length: int, generator: torch.Generator | None = None
) -> Int64[Tensor, "sets members length"]:
    """For every place, a random permutation of the members of a set [ours]: each patch is used exactly once.

    Returns:
        [sets, members, length]; mixed sample m takes its patch at place p from member source[s, m, p].

    Raises:
        ValueError: A set has no member.
    """
    if members < 1:
        raise ValueError(f"a set of mixed samples has {members} members; it has at least one")
    device = generator.device if generator is not None else None
    return torch.rand(sets, members, length, generator=generator, device=device, dtype=torch.float64).argsort(1)


def mix_patches(
    tokens: Float[Tensor, "sets members length width"], source: Int64[Tensor, "sets members length"]
) -> Float[Tensor, "sets members length width"]:
    """X_m[p] = X_{source(m, p)}[p]: patches move between samples and keep their place.

    Shape:
        tokens: [sets, members, length, width].
        source: [sets, members, length].

    Raises:
        ValueError: The sources are those of other tokens.
    """
    require_shape(tokens.shape[:3], source=source)
    return tokens.gather(1, source[..., None].expand_as(tokens))


def restore_patches(
    mixed: Float[Tensor, "sets members length width"], source: Int64[Tensor, "sets members length"]
) -> Float[Tensor, "sets members length width"]:
    """The inverse of `mix_patches` with the same sources.

    Shape:
        mixed: [sets, members, length, width].
        source: [sets, members, length].
    """
    return mix_patches(mixed, source.argsort(1))


def mixture_segmentation_loss(
    logits: Float[Tensor, "sets members length texts"],
    source: Int64[Tensor, "sets members length"],
) -> Float[Tensor, ""]:
    """Mean over patches of -log p(the text of the sample that the patch came from) [ours].

    The logit of patch p and text j is scale * sum_g A_pg <z_g, t_j> in a grouping model, or any similarity of the
    patch with the texts of its set. A set of one costs nothing; uniform logits cost log(members).

    Shape:
        logits: [sets, members, length, members]; similarity of every patch with the texts of its set.
        source: [sets, members, length].

    Raises:
        ValueError: The logits' shape is not that of the sources with one more axis for the texts.
    """
    if logits.shape != (*source.shape, source.shape[1]):
        wanted = [*source.shape, source.shape[1]]
        raise ValueError(f"the patch logits have shape {list(logits.shape)}; these sources need {wanted}")
    if not source.numel():
        return logits.float().sum() * 0
    wide = widened(logits)
    return functional.cross_entropy(wide.flatten(0, 2), source.flatten())
