"""How a trained model fails: guided and universal perturbations, word substitution, modality inversion.

These are evaluations with fixed budgets: nothing here trains a model. Every attack is a function of tensors and of an
encoder `tensor -> embeddings`, so it serves any pair of towers of which one has a continuous input.

    from crossmod.robustness import Budget, attackable, set_guided_pgd

The options of `crossmod evaluate RUN --attack NAME` stand in `crossmod.robustness.settings`, which imports no torch.
"""

from __future__ import annotations

from typing import Any

_HOME = {
    "augment": ("Noisy", "Rescaled"),
    "budget": ("Budget", "random_signs", "random_start"),
    "continuous": ("Continuous", "values_of", "with_values"),
    "generator": ("ConditionalGenerator", "fit_generated"),
    "inversion": ("Inversion", "invert_modality", "prompt_encoder", "repeat_nearest"),
    "malicious": ("farthest_group", "malicious_contrastive_loss"),
    "set_guided": ("guide_sums", "set_guided_pgd"),
    "substitution": ("WordSubstitution", "set_level_guidance"),
    "universal": (
        "GuidedBatch",
        "UniversalOptions",
        "UniversalPerturbation",
        "fit_universal",
        "tensor_batches",
        "universal_objective",
    ),
    "universal_word": ("UniversalWord", "fit_universal_word", "important_places", "sentence_batch"),
    "victim": ("attackable", "encoder_of"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    # Lazily, so that the settings beside these modules can be read without importing torch.
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)
