"""The loss that a universal perturbation descends: true partners become unlikely, far ones likely.

C-PGC ("One Perturbation is Enough", ICCV 2025). It is a contrastive loss turned round, with the log of a ratio of sums
over the batch; the mean over samples of the log of each one's own ratio is better behaved and an option of ours.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import logsigmoid

from crossmod.errors import UserError
from crossmod.robustness.continuous import require_finite_values

TEMPERATURE = 0.1
Ratio = Literal["of_sums", "per_sample"]


def malicious_contrastive_loss(
    adversarial: Float[Tensor, "batch dim"],
    positives: Float[Tensor, "positives dim"],
    positive_owner: Int64[Tensor, "positives"],
    targets: Float[Tensor, "targets dim"],
    target_owner: Int64[Tensor, "targets"],
    *,
    temperature: float = TEMPERATURE,
    ratio: Ratio = "of_sums",
) -> Float[Tensor, ""]:
    """log(U / (U + T)), to be minimised, U = sum_i sum_{j in T(i)} exp(<a_i, t_j> / tau), T the same over the targets.

    With `ratio="per_sample"` it is mean_i log(U_i / (U_i + T_i)) [ours]. U = T gives log(1/2).

    Args:
        adversarial: Embeddings of the perturbed samples.
        positives: What describes them.
        positive_owner: For each positive, the sample that it describes.
        targets: What they are to be taken for.
        target_owner: For each target, the sample that it is a target of; see `farthest_group`.
        temperature: tau.
        ratio: "of_sums" as published, or "per_sample".

    Raises:
        UserError: Empty input, a temperature that is not positive, or a sample without a positive or a target.
    """
    if not temperature > 0:
        raise UserError(f"the temperature is {temperature}; give a number above 0.")
    if ratio not in ("of_sums", "per_sample"):
        raise UserError(f"the ratio is {ratio!r}; take 'of_sums' or 'per_sample'.")
    true = _log_sums(adversarial, positives, positive_owner, temperature, "positive")
    far = _log_sums(adversarial, targets, target_owner, temperature, "target")
    if ratio == "of_sums":
        loss: Tensor = logsigmoid(true.logsumexp(0) - far.logsumexp(0))
        return loss
    mean: Tensor = logsigmoid(true - far).mean()
    return mean


def farthest_group(
    embeddings: Float[Tensor, "batch dim"],
    group: Int64[Tensor, "batch"],
    pool: Float[Tensor, "pool dim"],
    pool_group: Int64[Tensor, "pool"],
) -> Int64[Tensor, "batch"]:
    """For each sample the group of the pool with the lowest mean similarity, never its own; ties: the lowest number.

    Raises:
        UserError: The pool holds nothing but a sample's own group, or an embedding is not finite.
    """
    require_finite_values(embeddings, "the embeddings of the samples")
    require_finite_values(pool, "the embeddings of the targets")
    kinds, index = torch.unique(pool_group, return_inverse=True)
    similarity = embeddings.detach() @ pool.detach().T
    total = similarity.new_zeros(len(embeddings), len(kinds)).index_add(1, index, similarity)
    mean = total / torch.bincount(index, minlength=len(kinds))
    mean = mean.masked_fill(group[:, None] == kinds[None], torch.inf)
    lowest = mean.min(dim=1, keepdim=True).values if len(kinds) else mean.new_full((len(mean), 1), torch.inf)
    lonely = torch.isinf(lowest[:, 0])
    if bool(lonely.any()):
        raise UserError(
            f"sample {int(lonely.nonzero()[0])} finds no group but its own among {len(pool)} targets; "
            "give a larger batch or a corpus with more groups."
        )
    place = torch.arange(len(kinds), device=mean.device).expand_as(mean)
    first: Tensor = torch.where(mean == lowest, place, len(kinds)).min(dim=1).values
    chosen: Tensor = kinds[first]
    return chosen


def _log_sums(
    samples: Float[Tensor, "batch dim"],
    partners: Float[Tensor, "partners dim"],
    owner: Int64[Tensor, "partners"],
    temperature: float,
    what: str,
) -> Float[Tensor, "batch"]:
    """log sum_{j of i} exp(<a_i, t_j> / tau) of every sample, by its largest term."""
    count = torch.bincount(owner, minlength=len(samples))
    if not len(samples) or len(count) > len(samples) or int(count.min()) == 0:
        raise UserError(f"{len(samples)} samples and {len(partners)} {what}s do not fit; give each sample one or more.")
    logits = (samples[owner] * partners).sum(dim=1) / temperature
    top = logits.detach().new_full((len(samples),), -torch.inf).scatter_reduce(0, owner, logits.detach(), "amax")
    rest = torch.zeros_like(top).index_add(0, owner, torch.exp(logits - top[owner]))
    return top + rest.log()
