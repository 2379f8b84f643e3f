"""A recipe: one whole run as one frozen tree of settings (torch-free).

A domain derives its own `Recipe`, narrowing `data` and `towers`. Its defaults come from packaged YAML files, so
that what a user reads, copies and changes is what runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.settings import Settings
from crossmod.state.settings import Adapters, FreezePart

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.processor import Processor
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings, ABC):
    """Where the rows of a corpus come from.

    Args:
        max_rejected: Largest share of unusable items that a run accepts; beyond it the run stops before training.
        workers: Processes that read and featurise items; 0 reads in the main process.
    """

    max_rejected: float = 0.01
    workers: int = 2

    @abstractmethod
    def build(self) -> Corpus:
        """Read the corpus."""


@dataclass(frozen=True, kw_only=True)
class TowerSettings(Settings, ABC):
    """The encoder of one modality."""

    @abstractmethod
    def fit_processor(self, items: Sequence[Any]) -> Processor:
        """Make the processor, learning from the training items what it has to learn (a vocabulary)."""

    @abstractmethod
    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Processor:
        """Make the processor that a checkpoint's spec and files describe.

        Raises:
            UserError: The spec is not one that these settings can serve.
        """

    @abstractmethod
    def build(self, processor: Processor) -> Tower:
        """Make the tower, freshly initialised."""


@dataclass(frozen=True, kw_only=True)
class TowersSettings(Settings, ABC):
    """One field a modality, each a `TowerSettings`; a domain names its modalities by deriving this.

    A field that may be None is of a modality that a run can do without: it then has no tower, and no item is read.
    """

    @property
    def modalities(self) -> dict[str, TowerSettings]:
        """The towers by modality, in the order of the fields."""
        towers = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: tower for name, tower in towers.items() if tower is not None}

    def build(self, processors: Mapping[str, Processor]) -> dict[str, Tower]:
        """Make every tower."""
        return {name: settings.build(processors[name]) for name, settings in self.modalities.items()}


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings(Settings, ABC):
    """One term of the loss.

    Args:
        weight: Factor of this term in the sum.
        ramp_steps: Steps over which the weight grows linearly from zero; 0 starts at full weight.
    """

    weight: float = 1.0
    ramp_steps: int = 0

    @abstractmethod
    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective; it may ask the towers for their widths and vocabularies.

        Raises:
            UserError: It names a modality that the model has no tower for.
        """


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings(Settings):
    """The projection of every modality into the shared space.

    Args:
        width: Dimension of the shared space (512 in CLIP's smallest models; 256 serves small corpora).
        layers: 1 projects linearly (CLIP); 2 puts a GELU layer of the tower's width between (MoMu, SimCLR).
        dropout: Dropout on the pooled features before projection, a probability.
    """

    width: int = 256
    layers: int = 1
    dropout: float = 0.0

    def build(self, tower_width: int) -> Any:
        """Make the projection of one tower."""
        from crossmod.model import projection

        return projection(tower_width, self)


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings(Settings):
    """AdamW with warm-up and decay.

    Args:
        rate: Peak learning rate.
        weight_decay: Decoupled decay of matrices; vectors, norms, biases and logit scales have none (CLIP).
        beta1: First moment's decay.
        beta2: Second moment's decay (0.98 in CLIP).
        epsilon: Added to the root of the second moment (1e-6 in CLIP's ViT).
        warmup: Share of the steps over which the rate grows linearly from zero.
        decay: Shape of the rate after warm-up.
        clip_norm: Largest gradient norm; 0 clips nothing.
        average: Decay of an exponential moving average of the weights, which is what is evaluated and exported;
            0 keeps none.
    """

    rate: float = 1e-3
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-6
    warmup: float = 0.05
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    clip_norm: float = 1.0
    average: float = 0.0

    def build(self, *modules: Any, steps: int) -> Any:
        """Make the optimiser and its schedule over the parameters of `modules`."""
        from crossmod.training.optimiser import build_optimiser

        return build_optimiser(self, modules, steps)


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """How long, how large, on what, and where to.

    Args:
        steps: Optimiser steps.
        batch_size: Rows a step, over all processes together.
        chunk_size: Rows encoded at once; smaller than the batch bounds encoder memory at the price of one more
            forward pass and gives the gradient of the whole batch (GradCache, arXiv:2101.06983). 0 encodes the
            batch at once.
        draw: "rows" visits every row once an epoch; "groups" visits every group once and draws one of its rows,
            so that no two rows of a batch describe the same thing.
        evaluate_every: Steps between evaluations on the validation split; 0 evaluates at the end only.
        select_by: Evaluation whose score on the validation split the best weights are kept by, such as "zero-shot";
            empty takes the mean reciprocal rank of retrieval over all directions.
        finish_on: Split that the finished run is scored on; "validation" leaves the test split unread while settings
            are still being chosen.
        finish: Names of evaluations that a finished run is scored on beside retrieval, with their default options; one
            that the corpus has nothing for says so and is left out.
        save_every: Steps between checkpoints; 0 saves at the end and when interrupted.
        keep: Newest checkpoints that stay on disk; the best by validation stays besides.
        log_every: Steps between lines of metrics.jsonl.
        precision: "32" or "bf16" (autocast; losses and weights stay in float32).
        devices: Processes of this machine; each takes an equal part of the batch.
        accelerator: Lightning's name of the device kind; "auto" takes a GPU where there is one.
        threads: Threads of torch in each process; 0 leaves torch's own choice.
        loader_workers: Processes that collate batches ahead of the step; 0 collates between steps.
        compile: Compile the towers with torch.compile.
        initialise: A run or model folder whose processors and weights training starts from (fine-tuning).
        initialise_only: Modalities that are taken from there; the others start anew. Empty takes them all.
        initialise_parts: Parts of this model and the parts of that one whose weights they start from, such as
            `{"towers.image.visual": "towers.image"}`; beside them only the modalities of `initialise_only` are taken,
            and processors of all others are this recipe's own.
        freeze: What stays as it is, in evaluation mode (LiT, arXiv:2111.07991): modalities, patterns of names such as
            `towers\\.text\\.blocks\\.[0-5]`, or mappings such as `{part: text, but: ".*norm.*", until_step: 500}`.
        adapters: Low-rank adapters, which open stage by stage; null adapts nothing.
        folder: The run folder; empty makes `runs/DOMAIN-DATE-TIME`.
    """

    steps: int = 1000
    batch_size: int = 256
    chunk_size: int = 0
    draw: Literal["rows", "groups"] = "groups"
    evaluate_every: int = 0
    select_by: str = ""
    finish_on: Literal["test", "validation"] = "test"
    finish: tuple[str, ...] = ()
    save_every: int = 0
    keep: int = 2
    log_every: int = 10
    precision: Literal["32", "bf16"] = "32"
    devices: int = 1
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    threads: int = 0
    loader_workers: int = 0
    compile: bool = False
    initialise: str = ""
    initialise_only: tuple[str, ...] = ()
    initialise_parts: dict[str, str] = field(default_factory=dict)
    freeze: tuple[str | FreezePart, ...] = ()
    adapters: Adapters | None = None
    folder: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"run.steps is {self.steps}; a run takes at least one step.")
        if self.batch_size < 2:
            raise UserError(f"run.batch_size is {self.batch_size}; contrast needs at least two rows a batch.")
        if self.batch_size % self.devices:
            raise UserError(
                f"run.batch_size {self.batch_size} does not divide evenly over {self.devices} devices; "
                f"take a multiple of {self.devices}."
            )
        if self.initialise_parts and not self.initialise:
            raise UserError("run.initialise_parts takes parts out of the run that run.initialise names; name one.")

    def build(self) -> RunSettings:
        """Run settings describe no part of their own; they are read as they are."""
        return self


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings, ABC):
    """The whole run as one tree; a domain narrows `data` and `towers`.

    Args:
        data: The corpus.
        towers: The encoders, one a modality.
        objectives: The terms of the loss, by the name that the log gives them.
        embedding: The shared space.
        optimiser: Optimiser and schedule.
        run: Length, size, device and folder.
        seed: Fixes initialisation, order and dropout; the same recipe and seed give the same numbers.
    """

    data: DataSettings
    towers: TowersSettings
    objectives: dict[str, ObjectiveSettings] = field(default_factory=dict)
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    run: RunSettings = field(default_factory=RunSettings)
    seed: int = 0

    def build(self) -> Any:
        """Make the trained-from-scratch model of this recipe, its corpus included."""
        from crossmod.training.assemble import assemble

        return assemble(self)
