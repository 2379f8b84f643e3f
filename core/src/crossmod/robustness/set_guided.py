"""Set-level guidance attack (SGA, arXiv:2307.14061): push every sample away from all that describes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.robustness.augment import Augmentation
from crossmod.robustness.budget import Budget, random_start
from crossmod.robustness.continuous import require_finite_values
from crossmod.robustness.victim import Encode

STEPS = 10
STEP_SHARE = 0.25
"""Step size in epsilons: 0.5/255 of 2/255 in SGA."""


def guide_sums(
    guides: Float[Tensor, "guides dim"], owner: Int64[Tensor, "guides"], samples: int
) -> Float[Tensor, "samples dim"]:
    """The sum of the embeddings that describe each sample; all that the inner products of SGA need of its set.

    Raises:
        UserError: A sample has no guide, a guide has no sample, or a guide is not finite.
    """
    if len(guides) != len(owner):
        raise UserError(f"there are {len(guides)} guides and {len(owner)} owners; give the sample of each guide.")
    require_finite_values(guides, "the guides")
    if len(owner) and (int(owner.min()) < 0 or int(owner.max()) >= samples):
        raise UserError(f"guides belong to samples {int(owner.min())} to {int(owner.max())} of {samples} samples.")
    count = torch.bincount(owner, minlength=samples)
    if samples and int(count.min()) == 0:
        raise UserError(f"sample {int(count.argmin())} has no guide; attack samples that something describes.")
    return guides.new_zeros(samples, guides.shape[1]).index_add(0, owner, guides)


def set_guided_pgd(
    encode: Encode,
    clean: Float[Tensor, "batch *shape"],
    guides: Float[Tensor, "guides dim"],
    owner: Int64[Tensor, "guides"],
    budget: Budget,
    *,
    augmentations: Sequence[Augmentation] = (),
    steps: int = STEPS,
    step_share: float = STEP_SHARE,
    start_at_random: bool = True,
    seed: int = 0,
) -> Float[Tensor, "batch *shape"]:
    """Ascend J = sum_k -(1/B) sum_i sum_{j in T(i)} <f(A_k(x_i)), e_j> by signs of its gradient, inside the budget.

    The set A holds the input itself and one fresh copy of every augmentation a step. The released code divides the
    gradient by its mean magnitude before the sign, which changes nothing but a zero gradient (to NaN); here it is
    left out. The attacked encoder is only read: run it inside `attackable`.

    Args:
        encode: The attacked encoder.
        clean: The samples.
        guides: Embeddings of the other modality.
        owner: For each guide, the sample that it describes.
        budget: How far a sample may move.
        augmentations: Copies to look at beside the input.
        steps: S of the paper.
        step_share: Step size in epsilons.
        start_at_random: Start at a random point of the budget (the paper) or at the clean input.
        seed: Of the start and of the augmentations; equal seeds give equal results.

    Shape:
        clean [batch, ...], guides [guides, dim], owner [guides]; the result is of clean's shape.

    Raises:
        UserError: Empty or non-finite input, input outside the range, a sample without a guide, or no step size.
    """
    require_attackable(clean, budget)
    if steps < 0 or not step_share > 0:
        raise UserError(f"the attack has {steps} steps of {step_share} epsilon; give 0 or more steps above 0.")
    total = guide_sums(guides.detach(), owner, len(clean)).to(clean.device)
    generator = torch.Generator().manual_seed(seed)
    clean = clean.detach()
    step = budget.scaled(step_share).to(clean)
    values = random_start(budget, clean, generator) if start_at_random else clean.clone()
    for _ in range(steps):
        values = values.detach().requires_grad_(True)
        with torch.enable_grad():
            copies = [values, *(augment(values, generator) for augment in augmentations)]
            objective = torch.stack([-(encode(copy) * total).sum() for copy in copies]).sum() / len(clean)
        (slope,) = torch.autograd.grad(objective, values)
        values = budget.project(values.detach() + step * slope.sign(), clean)
    return values.detach()


def require_attackable(clean: Float[Tensor, "batch *shape"], budget: Budget) -> None:
    """Refuse what no attack can be computed on.

    Raises:
        UserError: Nothing there, half precision or integers, NaN or infinity, or input outside the range.
    """
    if not clean.numel():
        raise UserError(f"there is nothing to attack: the input has shape {list(clean.shape)}.")
    if clean.dtype not in (torch.float32, torch.float64):
        raise UserError(f"the input is {clean.dtype}; attack it in float32, where a small step is not rounded away.")
    require_finite_values(clean, "the attacked samples")
    budget.require_inside(clean)
