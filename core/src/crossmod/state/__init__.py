"""State that lives beside the losses: named, checkpointed, equal between one process and many.

    from crossmod.state import FeatureQueue, FreezePolicy, LogitScale, MomentumTwin, SampleStatistics

Beside it stand the operators that change a model while it trains: growth that keeps what the model computes, and
low-rank adapters that open stage by stage.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "adapter_stages": ("AdapterStage", "StagedAdapterSchedule"),
        "depth_growth": ("insert_blocks_", "make_identity_"),
        "feature_queue": ("FeatureQueue", "QueuedRows"),
        "freeze_policy": ("Freeze", "FreezePolicy", "FreezeReport"),
        "gathered_rows": ("gather_rows",),
        "growth_choice": ("GrowthCandidate", "GrowthChoice", "choose_growth"),
        "inheritance": ("Inherited", "inherit", "inherit_moments"),
        "logit_scale": ("LogitScale",),
        "low_rank": ("LowRankLinear", "add_adapters", "fold_adapters"),
        "momentum_twin": ("MomentumTwin",),
        "sample_statistics": ("SampleStatistics",),
        "weight_average": ("WeightAverage",),
        "width_growth": ("copied_outputs", "shared_inputs", "widen_heads", "widen_hidden"),
    },
)
