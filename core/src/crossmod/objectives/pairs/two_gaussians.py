"""Which pairs are noise, told from their losses: clean pairs are fitted first, so losses part in two (NEVLP, NLIP)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# A component keeps a share of everything, so that neither ever dies of having no sample.
_LEAST_SHARE = 1e-6


@torch.no_grad()
def noise_posterior(
    losses: Float[Tensor, "samples"],
    *,
    iterations: int = 10,
    tolerance: float = 1e-2,
    regularisation: float = 5e-4,
    separation: float = 2.0,
) -> Float[Tensor, "samples"]:
    """P(the pair belongs to the Gaussian of larger mean), of two fitted to the losses by expectation-maximisation.

    Losses are scaled to [0, 1] first. Where the means are less than `separation` pooled deviations apart, as when
    nothing is noise, every posterior is 0: two equal Gaussians have two peaks from 2 deviations on, and the halves that
    a fit cuts one Gaussian into are nearer. Two components are NEVLP's; iterations, tolerance and regularisation
    are crossmod's own [C], the separation test is [ours].

    Args:
        losses: One loss a sample, such as `SampleStatistics.average` of those that were seen.
        iterations: Most steps of the fit.
        tolerance: Change of the mean log-likelihood in nats below which the fit ends.
        regularisation: Added to both variances, in squared units of the scaled losses.
        separation: Least distance of the means in pooled standard deviations.

    Shape:
        losses: [samples] -> [samples], float64 inside and as the losses outside.

    Raises:
        ValueError: There is no loss, or one is not finite.
    """
    if losses.ndim != 1 or not len(losses) or not bool(torch.isfinite(losses).all()):
        raise ValueError(
            f"losses of shape {tuple(losses.shape)} cannot tell noise; pass one finite loss for each sample that was "
            "seen"
        )
    lowest, highest = losses.double().aminmax()
    if lowest == highest:
        return torch.zeros_like(losses)
    scaled = (losses.double() - lowest) / (highest - lowest)
    mean = scaled.new_tensor([0.0, 1.0])
    variance, share = scaled.var(correction=0).expand(2) + regularisation, scaled.new_full((2,), 0.5)
    previous = -torch.inf
    for _ in range(iterations):
        joint = _log_joint(scaled, mean, variance, share)
        belongs = joint.softmax(1)
        likelihood = float(joint.logsumexp(1).mean())
        weight = belongs.sum(0).clamp(min=_LEAST_SHARE)
        mean = (belongs * scaled[:, None]).sum(0) / weight
        variance = (belongs * (scaled[:, None] - mean).square()).sum(0) / weight + regularisation
        share = weight / weight.sum()
        if abs(likelihood - previous) < tolerance:
            break
        previous = likelihood
    if float((mean[0] - mean[1]).abs()) < separation * float((share * variance).sum().sqrt()):
        return torch.zeros_like(losses)
    posterior = _log_joint(scaled, mean, variance, share).softmax(1)[:, int(mean.argmax())]
    # The wider Gaussian also wins far below the narrow one: a loss under both means is no sign of noise.
    return torch.where(scaled < mean.min(), 0.0, posterior).to(losses.dtype)


def _log_joint(values: Tensor, mean: Tensor, variance: Tensor, share: Tensor) -> Tensor:
    return share.log() - 0.5 * (variance.log() + (values[:, None] - mean).square() / variance)
