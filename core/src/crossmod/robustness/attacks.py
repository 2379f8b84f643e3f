"""The attacks that `crossmod evaluate RUN --attack NAME` offers, and the baselines that each has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod.model import CrossModal
from crossmod.robustness.augment import SCALES, Augmentation, Noisy, Rescaled
from crossmod.robustness.budget import Budget, random_signs
from crossmod.robustness.continuous import values_of
from crossmod.robustness.generator import ConditionalGenerator, fit_generated
from crossmod.robustness.scene import Scene, attacked_values
from crossmod.robustness.set_guided import require_attackable, set_guided_pgd
from crossmod.robustness.settings import AttackSettings, GeneratedSettings, PatternSettings, SetGuidedSettings
from crossmod.robustness.universal import UniversalOptions, UniversalPerturbation, fit_universal
from crossmod.robustness.victim import attackable, encoder_of


def augmentations_for(
    values: Float[Tensor, "items *shape"], settings: AttackSettings, budget: Budget
) -> Sequence[Augmentation]:
    """SGA's scales for inputs with one to three spatial axes; noisy copies for vectors [ours]; none without noise."""
    if 3 <= values.ndim <= 5:
        return [Rescaled(scale, settings.noise, budget.lower, budget.upper) for scale in SCALES]
    return [Noisy(settings.noise, budget.lower, budget.upper)] * (len(SCALES) if settings.noise else 0)


def sga_values(
    scene: Scene, model: CrossModal, budget: Budget, settings: SetGuidedSettings, *, shuffled: bool = False
) -> Float[Tensor, "items *shape"]:
    """Every item under the set-level guidance attack; `shuffled` guides each by the set of another item."""
    sums = scene.sums()
    if shuffled:
        sums = sums.roll(max(1, len(sums) // 2), dims=0)
    augmentations = augmentations_for(scene.values, settings, budget)

    def attack(rows: slice, inputs: Inputs) -> Float[Tensor, "part *shape"]:
        clean = values_of(inputs, scene.modality)
        return set_guided_pgd(
            encoder_of(model, scene.modality, inputs),
            clean,
            sums[rows].to(clean.device),
            torch.arange(len(clean), device=clean.device),
            budget,
            augmentations=augmentations,
            steps=settings.steps,
            seed=settings.seed + rows.start,
        )

    with attackable(model):
        return attacked_values(scene, model, settings.batch_size, attack)


def universal_perturbation(
    scene: Scene, model: CrossModal, budget: Budget, settings: PatternSettings
) -> UniversalPerturbation:
    """One pattern, fitted on the items of `scene` (those of the training split, to be scored on another)."""
    options = UniversalOptions(epochs=settings.epochs, seed=settings.seed)
    augmentations = augmentations_for(scene.values, settings, budget)
    shape = scene.values.shape[1:]
    batches = scene.batches(model, settings.batch_size)
    with attackable(model):
        if not isinstance(settings, GeneratedSettings):
            found = fit_universal(batches, shape, budget, augmentations=augmentations, options=options)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings.seed)
                network = ConditionalGenerator(
                    shape, scene.guides.shape[1], budget, stages=generator_stages(settings), seed=settings.seed
                ).to(next(model.parameters()).device)
            found = fit_generated(batches, network, augmentations=augmentations, options=options)
    return found.cpu()


def generator_stages(settings: GeneratedSettings) -> list[tuple[int, int]]:
    """The widths of the settings, two a stage."""
    widths = settings.generator_widths
    return list(zip(widths[::2], widths[1::2], strict=True))


def noise_values(scene: Scene, budget: Budget, seed: int, *, one_for_all: bool) -> Float[Tensor, "items *shape"]:
    """Random signs as strong as the budget: of every item, or one pattern for all of them."""
    generator = torch.Generator().manual_seed(seed)
    clean = scene.values
    require_attackable(clean, budget)
    if not one_for_all:
        return random_signs(budget, clean, generator)
    signs = random_signs(Budget(budget.epsilon), torch.zeros_like(clean[:1]), generator)
    return budget.project(clean + signs, clean)
