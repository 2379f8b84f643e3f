"""The loop of a run on Lightning's Trainer: stepping, logging, validating, checkpointing, stopping."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from crossmod.contracts.batch import Batch
from crossmod.distributed.world import is_main, rank, world_size
from crossmod.domain import Domain
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import Direction, retrieve
from crossmod.evaluation.run import validation_score
from crossmod.recipe import Recipe
from crossmod.runs.checkpoint import Checkpoint
from crossmod.runs.folder import RunFolder
from crossmod.runs.metrics_log import MetricsLog
from crossmod.runs.processor_folder import require_same_specs
from crossmod.training.assemble import Parts
from crossmod.training.display import Display
from crossmod.training.interrupt import Interrupt
from crossmod.training.loader import StepBatches, step_loader
from crossmod.training.module import TrainingModule
from crossmod.training.order import BatchOrder
from crossmod.training.run_state import pack, unpack


@contextmanager
def quiet_trainer() -> Iterator[None]:
    """Inside, Lightning neither announces itself nor warns of what a recipe decided on purpose."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # How many processes collate is the recipe's decision.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # Frozen towers are meant to stay in evaluation mode.
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
            # Lightning 2.6 still asks torch's trees in the old way.
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
            yield
    finally:
        logger.setLevel(level)


class Fit:
    """One run in progress.

    Args:
        domain: The run's domain.
        recipe: The run's recipe.
        folder: Where it writes.
        parts: What it trains and on what.
        display: What a person sees.
        interrupt: Whether a signal asked it to stop.

    Attributes:
        module: The training module; `module.step` counts the steps taken.
        best: Best validation score (mean MRR over directions, or what `run.select_by` names) and the step it was
            reached at.
    """

    def __init__(
        self,
        domain: Domain,
        recipe: Recipe,
        folder: RunFolder,
        parts: Parts,
        display: Display,
        interrupt: Interrupt,
    ) -> None:
        self.domain, self.recipe, self.folder, self.parts = domain, recipe, folder, parts
        self.display, self.interrupt = display, interrupt
        self.log = MetricsLog(folder.metrics)
        self.module = TrainingModule(
            parts.model, parts.mixture, parts.trainability, recipe, self._loader, interrupt.listen, self._after_step
        )
        self.best: tuple[float, int] | None = None
        self._score = validation_score(domain, recipe.run.select_by) if recipe.run.select_by else None
        rows = torch.from_numpy(parts.prepared.corpus.rows("train"))
        weight = parts.prepared.corpus.weight
        self.order = BatchOrder(
            rows,
            parts.prepared.group[rows],
            recipe.run.batch_size,
            draw=recipe.run.draw,
            seed=recipe.seed,
            weight=None if weight is None else torch.from_numpy(weight)[rows],
        )

    def restore(self) -> None:
        """Put the newest checkpoint's state in place; steps that were logged after it are dropped from the log."""
        checkpoint = self.folder.newest()
        require_same_specs(self.parts.model.processors, checkpoint.facts["specs"], str(self.folder.path))
        unpack(
            checkpoint,
            self.parts.model,
            self.parts.mixture,
            self.module.optimiser,
            self.module.average,
            str(self.folder.path),
        )
        self.module.step = checkpoint.step
        best = checkpoint.facts["best"]
        self.best = (float(best[0]), int(best[1])) if best else None
        if is_main():
            self.log.cut(checkpoint.step)

    def run(self) -> None:
        """Take the remaining steps; afterwards the newest checkpoint is that of the last step taken."""
        settings = self.recipe.run
        if settings.compile:
            for tower in self.parts.model.towers.values():
                tower.compile()
        if self.module.step < settings.steps and self.interrupt.requested is None:
            with quiet_trainer():
                self._trainer().fit(self.module)
        if is_main():
            self.save()

    def _trainer(self) -> Trainer:
        settings = self.recipe.run
        return Trainer(
            max_epochs=1,
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy="ddp" if settings.devices > 1 else "auto",
            precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )

    def _loader(self) -> DataLoader[Batch]:
        batches = StepBatches(
            self.parts.prepared,
            self.order,
            first=self.module.step,
            stop=self.recipe.run.steps,
            rank=rank(),
            world=world_size(),
        )
        return step_loader(batches, self.recipe.run.loader_workers)

    def save(self) -> None:
        """Write a checkpoint of the present step."""
        self.folder.save(self.checkpoint(), keep=self.recipe.run.keep)

    def checkpoint(self) -> Checkpoint:
        """The present state."""
        specs = {name: dict(processor.spec) for name, processor in self.parts.model.processors.items()}
        facts = {"domain": self.domain.name, "step": self.module.step, "best": self.best, "specs": specs}
        return pack(self.parts.model, self.parts.mixture, self.module.optimiser, self.module.average, facts)

    def _after_step(self, terms: Mapping[str, Tensor]) -> None:
        settings, step = self.recipe.run, self.module.step
        last = step == settings.steps
        if is_main() and (step % settings.log_every == 0 or last or step == 1):
            self._log(terms)
        if settings.evaluate_every and (step % settings.evaluate_every == 0 or last):
            self._validate()
        if settings.save_every and step % settings.save_every == 0 and not last and is_main():
            self.save()
        if self._stop_requested():
            self.module.trainer.should_stop = True

    def _log(self, terms: Mapping[str, Tensor]) -> None:
        module = self.module
        values = {name: float(value) for name, value in terms.items()}
        values["gradient_norm"] = float(module.gradient_norm)
        values["learning_rate"] = module.schedule.rate(module.step - 1)
        values.update(module.clock.read(self.recipe.run.batch_size))
        self.log.write(module.step, "train", values)
        best = {f"best {self.recipe.run.select_by or 'MRR'}": self.best[0]} if self.best else {}
        shown = {"loss": values["loss"], **best}
        self.display.advance("training", module.step, self.recipe.run.steps, shown)

    def _validate(self) -> None:
        """Score the validation split with the averaged weights; the first process does it for all."""
        if is_main():
            with self.module.average.applied():
                context = EvaluationContext(self.parts.model, self.recipe, ready=self.parts.prepared)
                values = _retrieval_scores(retrieve(context, split="validation"))
                if self._score is not None:
                    values[self.recipe.run.select_by] = self._score(context)
            score = values.get(self.recipe.run.select_by or "mrr")
            if score is not None:
                self.log.write(self.module.step, "validation", values)
                if self.best is None or score > self.best[0]:
                    self.best = (score, self.module.step)
                    self.folder.save_best(self.checkpoint())
        self._barrier()

    def _barrier(self) -> None:
        if world_size() > 1:
            dist.barrier()

    def _stop_requested(self) -> bool:
        """Whether any process was asked to stop; all of them stop after the same step."""
        requested = self.interrupt.requested is not None
        if world_size() == 1:
            return requested
        flag = torch.tensor(int(requested), device=self.module.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag)


def _retrieval_scores(directions: Sequence[Direction]) -> dict[str, float]:
    """The mean reciprocal rank over all directions, and every score of each; nothing where nothing can be ranked."""
    if not directions:
        return {}
    mean = sum(direction.metrics.mean_reciprocal_rank for direction in directions) / len(directions)
    each = {f"{direction.name} {key}": v for direction in directions for key, v in direction.scores().items()}
    return {"mrr": mean, **each}
