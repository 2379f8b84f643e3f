"""The training loop: waiting for data, and what the trainer adds to a hand-written loop."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import Result, interleaved
from crossmod.cli.recipes import parse_recipe
from crossmod.registry import load_domain
from crossmod.runs.folder import RunFolder
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.display import Display
from crossmod.training.fit import Fit
from crossmod.training.forwards import BatchForwards
from crossmod.training.interrupt import Interrupt
from crossmod.training.loader import StepBatches, step_loader
from crossmod.training.optimiser import build_optimiser

STEPS, SKIP = 40, 8
CHUNKS = 4
WORDS = [
    *("--data.limit=1500", "--data.workers=0", f"--run.steps={STEPS}", "--run.batch_size=256"),
    *("--run.evaluate_every=0", "--run.log_every=1", "--run.loader_workers=1"),
]


def _parts() -> tuple[object, object, Parts]:
    domain = load_domain("molecule")
    recipe = parse_recipe(domain, WORDS)
    return domain, recipe, assemble(recipe)


def _fit(domain: object, recipe: object, parts: Parts, place: Path) -> Fit:
    return Fit(domain, recipe, RunFolder(place), parts, Display(None), Interrupt())  # type: ignore[arg-type]


def loader(rounds: int) -> list[Result]:
    """Share of the time that steps wait for data, one worker, after the first steps."""
    torch.set_num_threads(1)
    domain, recipe, parts = _parts()
    with tempfile.TemporaryDirectory() as place:
        _fit(domain, recipe, parts, Path(place)).run()
        lines = [json.loads(line) for line in (Path(place) / "metrics.jsonl").read_text().splitlines()]
    shares = [line["wait_share"] for line in lines if line["split"] == "train" and line["step"] > SKIP]
    share = statistics.fmean(shares)
    return [Result("waiting for data, share of the step, 1 worker", f"{share:.1%}", "-", "-", "< 5%", share < 0.05)]


def step(rounds: int) -> list[Result]:
    """Seconds a step on the trainer, with its logging, against a hand-written loop of the same model and batches."""
    torch.set_num_threads(1)
    domain, recipe, parts = _parts()
    ours, plain = [], []
    for _ in range(max(2, rounds // 2)):
        with tempfile.TemporaryDirectory() as place:
            ours.append(_seconds_a_step(lambda: _fit(domain, recipe, parts, Path(place)).run()))
        plain.append(_seconds_a_step(lambda: _plain_loop(recipe, parts)))
    mine, hand = statistics.median(ours), statistics.median(plain)
    ratio = mine / hand
    return [
        Result(
            "training step, ms (hand-written loop)",
            f"{1e3 * mine:.1f}",
            f"{1e3 * hand:.1f}",
            f"{ratio - 1:+.1%}",
            "<= +5%",
            ratio <= 1.05,
        )
    ]


def gradcache(rounds: int) -> list[Result]:
    """A step whose towers run in chunks of a quarter (GradCache), against the whole batch at once."""
    torch.set_num_threads(1)
    _, recipe, parts = _parts()
    order = _order(recipe, parts)
    batch = next(iter(step_loader(StepBatches(parts.prepared, order, first=0, stop=1, rank=0, world=1), 0)))
    parts.model.train()

    def take(chunk_size: int) -> None:
        parts.model.zero_grad()
        parts.mixture.zero_grad()
        backward(parts.model, parts.mixture, batch, 0, chunk_size)

    size = len(batch) // CHUNKS
    seconds = interleaved({"whole": lambda: take(0), "chunked": lambda: take(size)}, rounds)
    ratio = seconds["chunked"] / seconds["whole"]
    return [
        Result(
            f"GradCache step, B = {len(batch)} in {CHUNKS} chunks, s (whole batch at once)",
            f"{seconds['chunked']:.2f}",
            f"{seconds['whole']:.2f}",
            f"{ratio:.2f}x",
            "<= 1.45x",
            ratio <= 1.45,
        )
    ]


def _seconds_a_step(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return (time.process_time() - start) / STEPS


def _plain_loop(recipe: object, parts: Parts) -> None:
    """What a researcher would write: zero, forward, backward, clip, step, clamp; loss read every step."""
    settings = recipe.optimiser  # type: ignore[attr-defined]
    optimiser, schedule = build_optimiser(settings, (parts.model, parts.mixture), STEPS)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    order = _order(recipe, parts)
    batches = step_loader(StepBatches(parts.prepared, order, first=0, stop=STEPS, rank=0, world=1), 1)
    parts.model.train()
    parts.mixture.train()
    for number, batch in enumerate(batches):
        optimiser.zero_grad(set_to_none=True)
        outcome = parts.mixture(BatchForwards(parts.model, batch), batch, number)
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm, foreach=True)
        schedule.apply(optimiser, number)
        optimiser.step()
        parts.mixture.after_step()
        float(outcome.loss.detach())


def _order(recipe: object, parts: Parts) -> object:
    from crossmod.training.order import BatchOrder

    rows = torch.from_numpy(parts.prepared.corpus.rows("train"))
    run = recipe.run  # type: ignore[attr-defined]
    return BatchOrder(rows, parts.prepared.group[rows], run.batch_size, draw=run.draw, seed=0)
