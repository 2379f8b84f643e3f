"""The conditional generator of C-PGC (ICCV 2025): fixed noise and embeddings of the other modality in, one pattern out.

Defaults are those of the released code; the figures of the paper are not verified. Differences from it, all [ours]: the
maps of a batch are averaged where the code convolves over the batch axis (which fixes the batch size for good);
GroupNorm stands for BatchNorm, so a condition's map does not depend on the others; a stage stops doubling once it is as
large as the input; inputs with one, two or three axes and plain vectors are served by the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from crossmod.errors import UserError
from crossmod.robustness.augment import Augmentation
from crossmod.robustness.budget import Budget
from crossmod.robustness.set_guided import require_attackable
from crossmod.robustness.universal import (
    Batches,
    GuidedBatch,
    UniversalOptions,
    UniversalPerturbation,
    paired_batches,
    universal_objective,
    within,
)

STAGES = ((1024, 512), (256, 128), (64, 32))
"""Channels of the two transposed convolutions of each stage, as in the code."""
NOISE_CHANNELS, NOISE_SIDE = 100, 3
GeneratedLoss = Callable[
    [Float[Tensor, "*shape"], GuidedBatch, GuidedBatch, torch.Generator],
    Float[Tensor, ""],
]
"""What a generator descends: its answer, the batch, the pool of targets and a source of draws in, a loss out."""
_GROW = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_KEEP = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MODES = ("linear", "bilinear", "trilinear")


@final
class ConditionalGenerator(nn.Module):
    """Transposed convolutions, each stage followed by one-head cross-attention to the condition, and a tanh.

    Args:
        shape: Of one sample: [width] or [channels, one to three axes].
        condition_width: Width of the embeddings.
        epsilon_of: The budget; its epsilon scales the tanh.
        stages: Channels of the convolutions, by stage.
        seed: Of the fixed noise z.

    Raises:
        UserError: The shape has more axes.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition_width: int,
        epsilon_of: Budget,
        *,
        stages: Sequence[tuple[int, int]] = STAGES,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 1 <= len(shape) <= 4:
            raise UserError(f"an input of shape {list(shape)} has no generator; it needs [channels, 1 to 3 axes].")
        self.shape, self.budget = tuple(shape), epsilon_of
        channels, *self.axes = self.shape if len(shape) > 1 else (1, *self.shape)
        dimensions = len(self.axes)
        noise = torch.randn(NOISE_CHANNELS, *[NOISE_SIDE] * dimensions, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("noise", noise)
        self.noise: Float[Tensor, "channels *axes"]
        side, width = NOISE_SIDE, NOISE_CHANNELS
        self.convolutions, self.attentions = nn.ModuleList(), nn.ModuleList()
        for pair in stages:
            layers: list[nn.Module] = []
            for wide in pair:
                grows = side < max(self.axes)
                layers += [_convolution(dimensions, width, wide, grows), nn.GroupNorm(1, wide), nn.ReLU()]
                side, width = side * 2 if grows else side, wide
            self.convolutions.append(nn.Sequential(*layers))
            self.attentions.append(
                nn.MultiheadAttention(width, 1, kdim=condition_width, vdim=condition_width, batch_first=True)
            )
        self.last = _KEEP[dimensions - 1](width, channels, 3, padding=1)

    def forward(self, conditions: Float[Tensor, "batch width"]) -> Float[Tensor, "*shape"]:
        """One pattern inside the budget, from the mean over the conditions' maps."""
        maps = self.noise.expand(len(conditions), *self.noise.shape)
        key = conditions[:, None]
        for convolve, attend in zip(self.convolutions, self.attentions, strict=True):
            maps = convolve(maps)
            query = maps.flatten(2).transpose(1, 2)
            told, _ = attend(query, key, key, need_weights=False)
            maps = (query + told).transpose(1, 2).reshape(maps.shape)
        pattern = torch.tanh(self.last(maps)).mean(dim=0, keepdim=True)
        sized = interpolate(pattern, size=self.axes, mode=_MODES[len(self.axes) - 1], align_corners=False)[0]
        return within(self.budget.size(sized) * sized.reshape(self.shape), self.budget)


def fit_generated(
    batches: Batches,
    generator_network: ConditionalGenerator,
    *,
    augmentations: Sequence[Augmentation] = (),
    options: UniversalOptions | None = None,
) -> UniversalPerturbation:
    """Train the generator with Adam (betas 0.5 and 0.999) on `universal_objective`, then keep one pattern.

    The kept pattern is the mean of what the trained generator answers to every batch, so it depends on no batch
    of the evaluation.

    Args:
        batches: One pass over the samples.
        generator_network: Trained in place.
        augmentations: See `universal_objective`.
        options: None takes the defaults of `UniversalOptions`.

    Raises:
        UserError: No sample, or samples that cannot be attacked.
    """
    options = options or UniversalOptions()
    budget = generator_network.budget

    def loss(
        delta: Float[Tensor, "*shape"], batch: GuidedBatch, pool: GuidedBatch, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        require_attackable(batch.values, budget)
        return universal_objective(delta, batch, pool, budget, generator, augmentations=augmentations, options=options)

    delta = trained_answer(batches, generator_network, loss, options)
    found = UniversalPerturbation(generator_network.shape, budget)
    found.to(delta.device).set_(delta)
    return found


def trained_answer(
    batches: Batches, network: ConditionalGenerator, loss: GeneratedLoss, options: UniversalOptions
) -> Float[Tensor, "*shape"]:
    """Descend a loss of what the generator answers to every batch, and give the mean over samples of its last answers.

    Args:
        batches: Passes over the samples.
        network: Trained in place.
        loss: Of the answer, the batch, its pool of targets, and the generator of whatever it draws.
        options: Epochs, learning rate and seed.

    Raises:
        UserError: No sample.
    """
    generator = torch.Generator().manual_seed(options.seed)
    weights = list(network.parameters())
    optimiser = torch.optim.Adam(weights, lr=options.rate, betas=(0.5, 0.999))
    for _ in range(options.epochs):
        for batch, pool in paired_batches(batches, generator):
            with torch.enable_grad():
                value = loss(network(batch.conditions()), batch, pool, generator)
            # Not backward(): the attacked encoder must gather no gradient, frozen or not.
            for weight, slope in zip(weights, torch.autograd.grad(value, weights), strict=True):
                weight.grad = slope
            optimiser.step()
    total, samples = network.noise.new_zeros(network.shape), 0
    with torch.no_grad():
        for batch in batches(generator):
            total += len(batch.values) * network(batch.conditions())
            samples += len(batch.values)
    return total / max(1, samples)


def _convolution(dimensions: int, width: int, wide: int, grows: bool) -> nn.Module:
    if grows:
        return _GROW[dimensions - 1](width, wide, 4, stride=2, padding=1)
    return _KEEP[dimensions - 1](width, wide, 3, padding=1)
