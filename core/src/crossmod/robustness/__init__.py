"""How a trained model fails: guided and universal perturbations, word substitution, modality inversion.

These are evaluations with fixed budgets: nothing here trains a model. Every attack is a function of tensors and of an
encoder `tensor -> embeddings`, so it serves any pair of towers of which one has a continuous input.

    from crossmod.robustness import Budget, attackable, set_guided_pgd

The options of `crossmod evaluate RUN --attack NAME` stand in `crossmod.robustness.settings`, which imports no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "augment": ("Noisy", "Rescaled"),
        "budget": ("Budget", "random_signs", "random_start"),
        "continuous": ("Continuous", "values_of", "with_values"),
        "generator": ("ConditionalGenerator", "fit_generated"),
        "inversion": ("Inversion", "invert_modality", "prompt_encoder", "repeat_nearest"),
        "malicious": ("farthest_group", "malicious_contrastive_loss"),
        "sentences": ("important_places", "sentence_batch"),
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
        "universal_word": ("UniversalWord", "fit_generated_word", "fit_universal_word", "word_generator"),
        "victim": ("attackable", "encoder_of"),
    },
)
