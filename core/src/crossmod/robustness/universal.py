"""One perturbation for all inputs: a fixed pattern inside the budget that breaks the alignment of most of them.

C-PGC (ICCV 2025) draws the pattern from a conditional generator (`crossmod.robustness.generator`). `fit_universal`
descends the same loss on the pattern itself, by signs of its gradient: a simpler variant of ours, as strong on the
attacked model; the generator is there for transfer to other models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.errors import UserError
from crossmod.robustness.augment import Augmentation
from crossmod.robustness.budget import Budget, random_start
from crossmod.robustness.malicious import TEMPERATURE, Ratio, farthest_group, malicious_contrastive_loss
from crossmod.robustness.set_guided import guide_sums, require_attackable
from crossmod.robustness.victim import Encode


@final
class UniversalPerturbation(nn.Module):
    """x' = clip(x + delta): the same delta for every sample, whatever the batch; saved and loaded as any module.

    Args:
        shape: Of one sample.
        budget: Its epsilon bounds delta; its range clips the result.
    """

    def __init__(self, shape: Sequence[int], budget: Budget) -> None:
        super().__init__()
        self.budget = budget
        self.register_buffer("delta", torch.zeros(tuple(shape)))
        self.delta: Float[Tensor, "*shape"]

    @torch.no_grad()
    def set_(self, delta: Float[Tensor, "*shape"]) -> None:
        """Take another pattern, brought inside the budget."""
        self.delta = within(delta.detach(), self.budget).clone()

    def forward(self, values: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Perturb samples; a zero budget returns them as they are.

        Raises:
            UserError: The samples have another shape than the pattern.
        """
        if values.shape[1:] != self.delta.shape:
            raise UserError(
                f"samples of shape {list(values.shape[1:])} cannot take a pattern of shape {list(self.delta.shape)}; "
                "fit one for this input."
            )
        return self.budget.project(values + self.delta.to(values), values)


@dataclass(frozen=True)
class GuidedBatch:
    """Samples with what describes them.

    Args:
        encode: The attacked encoder of these samples.
        values: The samples.
        guides: Embeddings of the other modality.
        owner: For each guide, the sample that it describes.
        group: Equal numbers describe the same thing and are never each other's targets.
        clean: Embeddings of the samples as they are, where `encode(values)` does not give them; None asks it.

    Shape:
        values [batch, ...], guides [guides, dim], owner [guides], group [batch], clean [batch, dim].
    """

    encode: Encode
    values: Float[Tensor, "batch *shape"]
    guides: Float[Tensor, "guides dim"]
    owner: Int64[Tensor, "guides"]
    group: Int64[Tensor, "batch"]
    clean: Float[Tensor, "batch dim"] | None = None

    def conditions(self) -> Float[Tensor, "batch dim"]:
        """The mean embedding of each sample's guides: what the generator is conditioned by."""
        count = torch.bincount(self.owner, minlength=len(self.values))
        return guide_sums(self.guides, self.owner, len(self.values)) / count[:, None]


Batches = Callable[[torch.Generator], Iterator[GuidedBatch]]
"""One pass over the samples, in an order that is drawn from the generator."""


@dataclass(frozen=True, kw_only=True)
class UniversalOptions:
    """What C-PGC's training is told; the defaults are those of its code.

    Args:
        epochs: Passes over the samples.
        temperature: tau of the malicious loss.
        distance_weight: alpha, the weight of moving the embedding away from where it was.
        ratio: See `malicious_contrastive_loss`.
        step_share: Step size in epsilons of `fit_universal`. (Ours: ten steps cross the radius.)
        rate: Learning rate of Adam for the generator.
        seed: Of the order, the starts and the augmentations.
    """

    epochs: int = 40
    temperature: float = TEMPERATURE
    distance_weight: float = 0.1
    ratio: Ratio = "of_sums"
    step_share: float = 0.1
    rate: float = 2e-4
    seed: int = 0


def within(delta: Float[Tensor, "*shape"], budget: Budget) -> Float[Tensor, "*shape"]:
    """The pattern brought into [-epsilon, epsilon]."""
    size = budget.size(delta).expand_as(delta)
    return torch.minimum(torch.maximum(delta, -size), size)


def universal_objective(
    delta: Float[Tensor, "*shape"],
    batch: GuidedBatch,
    pool: GuidedBatch,
    budget: Budget,
    generator: torch.Generator,
    *,
    augmentations: Sequence[Augmentation] = (),
    options: UniversalOptions,
) -> Float[Tensor, ""]:
    """sum_k malicious loss of copy k + delta, less alpha times the squared distance that delta moves the embeddings.

    The copies are those of SGA, of a random point of the budget; targets are chosen by the copy without delta, from
    the guides of another batch.

    Args:
        delta: The pattern.
        batch: The samples.
        pool: Where targets are taken from.
        budget: Of the random start.
        generator: Of the random start and the augmentations.
        augmentations: Copies beside the sample itself.
        options: Temperature, alpha and ratio.
    """
    start = random_start(budget, batch.values, generator)
    losses = []
    for copy in [start, *(augment(start, generator) for augment in augmentations)]:
        with torch.no_grad():
            still = batch.encode(copy)
        losses.append(misalignment(batch.encode(copy + delta), still, batch, pool, options))
    return torch.stack(losses).sum()


def misalignment(
    moved: Float[Tensor, "batch dim"],
    still: Float[Tensor, "batch dim"],
    batch: GuidedBatch,
    pool: GuidedBatch,
    options: UniversalOptions,
) -> Float[Tensor, ""]:
    """The malicious loss of moved samples, less alpha times the squared distance that they moved; to be minimised.

    Args:
        moved: Embeddings of the attacked samples.
        still: Embeddings of the same samples unattacked; they choose the targets.
        batch: The samples' guides and groups.
        pool: Where targets are taken from: each sample's is the group that is farthest from it.
        options: Temperature, alpha and ratio.
    """
    pool_group = pool.group[pool.owner]
    target = farthest_group(still, batch.group, pool.guides, pool_group)
    owner, chosen = (target[:, None] == pool_group[None]).nonzero(as_tuple=True)
    contrast = malicious_contrastive_loss(
        moved,
        batch.guides,
        batch.owner,
        pool.guides[chosen],
        owner,
        temperature=options.temperature,
        ratio=options.ratio,
    )
    return contrast - options.distance_weight * (moved - still).square().sum()


def paired_batches(batches: Batches, generator: torch.Generator) -> Iterator[tuple[GuidedBatch, GuidedBatch]]:
    """Every batch of one pass with the one after it as its pool of targets; a single batch is its own pool."""
    first: GuidedBatch | None = None
    held: GuidedBatch | None = None
    for batch in batches(generator):
        if held is None:
            first = batch
        else:
            yield held, batch
        held = batch
    if first is None or held is None:
        raise UserError("there is no sample to fit a perturbation on; choose another split.")
    yield held, first


def fit_universal(
    batches: Batches,
    shape: Sequence[int],
    budget: Budget,
    *,
    augmentations: Sequence[Augmentation] = (),
    options: UniversalOptions | None = None,
) -> UniversalPerturbation:
    """Descend `universal_objective` on the pattern by signs of its gradient, inside the budget [ours].

    Args:
        batches: One pass over the samples; see `tensor_batches`.
        shape: Of one sample.
        budget: How far every sample may move.
        augmentations: See `universal_objective`.
        options: None takes the defaults of `UniversalOptions`.

    Raises:
        UserError: No sample, or samples that cannot be attacked.
    """
    options = options or UniversalOptions()
    generator = torch.Generator().manual_seed(options.seed)
    found = UniversalPerturbation(shape, budget)
    delta = within(budget.size(found.delta) * (2 * torch.rand(tuple(shape), generator=generator) - 1), budget)
    for _ in range(options.epochs):
        for batch, pool in paired_batches(batches, generator):
            require_attackable(batch.values, budget)
            delta = delta.detach().to(batch.values).requires_grad_(True)
            with torch.enable_grad():
                loss = universal_objective(
                    delta, batch, pool, budget, generator, augmentations=augmentations, options=options
                )
            (slope,) = torch.autograd.grad(loss, delta)
            step = budget.scaled(options.step_share).to(delta)
            delta = within(delta.detach() - step * slope.sign(), budget)
    found.to(delta.device).set_(delta)
    return found


def tensor_batches(
    encode: Encode,
    values: Float[Tensor, "samples *shape"],
    guides: Float[Tensor, "guides dim"],
    owner: Int64[Tensor, "guides"],
    group: Int64[Tensor, "samples"] | None = None,
    *,
    batch_size: int = 64,
) -> Batches:
    """Passes over samples that are one tensor, for an encoder that takes any number of them.

    Args:
        encode: The attacked encoder.
        values: The samples.
        guides: Embeddings of the other modality.
        owner: For each guide, the sample that it describes.
        group: See `GuidedBatch`; None makes every sample a group of its own.
        batch_size: Samples a batch; the last one takes what is left.
    """
    kinds = torch.arange(len(values), device=values.device) if group is None else group

    def one_pass(generator: torch.Generator) -> Iterator[GuidedBatch]:
        order = torch.randperm(len(values), generator=generator).to(values.device)
        for rows in torch.split(order, batch_size):
            place = torch.full((len(values),), -1, device=values.device)
            place[rows] = torch.arange(len(rows), device=values.device)
            of_batch = place[owner] >= 0
            yield GuidedBatch(encode, values[rows], guides[of_batch], place[owner[of_batch]], kinds[rows])

    return one_pass
