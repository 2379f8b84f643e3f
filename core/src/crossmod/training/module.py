"""One training step on Lightning's Trainer, with manual optimisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from crossmod.contracts.batch import Batch
from crossmod.distributed.gradients import average_gradients
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import Recipe
from crossmod.state.weight_average import WeightAverage
from crossmod.training.backward import backward
from crossmod.training.clock import StepClock
from crossmod.training.optimiser import optimise
from crossmod.training.order import mix_seed
from crossmod.training.trainability import Trainability

Terms = Mapping[str, Tensor]


class TrainingModule(LightningModule):  # type: ignore[misc]
    """Steps a model: seed, backward, average over processes, clip, update, clamp, average over time.

    Args:
        model: Towers and heads.
        mixture: The objectives.
        trainability: Which parameters train at which step.
        recipe: Optimiser, batch and precision.
        loader: Makes the loader of the remaining steps, once all processes are up.
        on_start: Called when stepping starts.
        after_step: Called after every step with the step's terms (detached tensors).

    Attributes:
        step: Optimiser steps taken so far; the run's own count, which a resumed run starts from.
        clock: How the time since the last reading was spent.
    """

    def __init__(
        self,
        model: CrossModal,
        mixture: Mixture,
        trainability: Trainability,
        recipe: Recipe,
        loader: Callable[[], DataLoader[Batch]],
        on_start: Callable[[], None] = lambda: None,
        after_step: Callable[[Terms], None] = lambda terms: None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.mixture = model, mixture
        self.trainability, self.recipe = trainability, recipe
        self._loader, self._on_start, self._after_step = loader, on_start, after_step
        self.step = 0
        self.clock = StepClock()
        self.gradient_norm = torch.zeros(())
        self.optimiser, self.schedule = optimise(recipe.optimiser, trainability.parameters, recipe.run.steps)
        self.average = WeightAverage(model, recipe.optimiser.average)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Hand Lightning the optimiser that already exists."""
        return self.optimiser

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch; its inputs know how."""
        return batch.to(device)

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the remaining steps."""
        return self._loader()

    def on_train_start(self) -> None:
        """Put the first step's state in place, take over the signals and start the clock."""
        self.trainability.apply(self.step)
        self._on_start()
        self.clock.resume()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take one step."""
        self.clock.begin()
        # All randomness of a step follows from seed, step and process: an interrupted run needs no generator state.
        torch.manual_seed(mix_seed(self.recipe.seed, self.step + 1, self.global_rank))
        if self.step in self.trainability.changes:
            self.trainability.apply(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        with self._without_sync():
            terms = backward(self.model, self.mixture, batch, self.step, self.recipe.run.chunk_size)
        parameters = self.trainability.parameters
        average_gradients(parameters)
        largest = self.recipe.optimiser.clip_norm or float("inf")
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(parameters, largest, foreach=True)
        self.schedule.apply(self.optimiser, self.step)
        self.optimiser.step()
        self.mixture.after_step()
        self.average.update(self.step)
        self.step += 1
        self.clock.end()
        self._after_step(terms)
        self.clock.resume()

    def _without_sync(self) -> AbstractContextManager[Any]:
        """Keep Lightning's wrapper from averaging gradients during backward; `average_gradients` does it once."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()
