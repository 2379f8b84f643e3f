"""One batch's gradients, at once or in chunks (GradCache, Gao et al. 2021, arXiv:2101.06983).

Chunked: embed every chunk without a graph, keeping the random state of each; take the loss of the whole batch on
those embeddings as leaves; replay each chunk with its random state and push the leaves' gradients through it. The
gradient is that of the whole batch, at one more forward pass. Plain accumulation over chunks is another objective:
its negatives stop at the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.training.forwards import BatchForwards, FixedEmbeddings

Terms = Mapping[str, Tensor]


def backward(model: CrossModal, mixture: Mixture, batch: Batch, step: int, chunk_size: int = 0) -> Terms:
    """Add this batch's gradients to the parameters and return the terms to log.

    Args:
        model: Towers and heads.
        mixture: The objectives.
        batch: This process's rows.
        step: The step number, which weights may depend on.
        chunk_size: Rows encoded at once; 0 or at least the batch encodes all at once.

    Raises:
        ValueError: The loss is not finite.
    """
    if chunk_size <= 0 or chunk_size >= len(batch):
        outcome = mixture(BatchForwards(model, batch, mixture.hidden), batch, step)
        _require_finite(outcome.loss, step)
        outcome.loss.backward()
        return {"loss": outcome.loss.detach(), **outcome.terms}
    return _chunked(model, mixture, batch, step, chunk_size)


def _chunked(model: CrossModal, mixture: Mixture, batch: Batch, step: int, size: int) -> Terms:
    chunks = batch.split(size)
    states, leaves = _embed_without_graph(model, chunks)
    total = torch.zeros((), device=batch.group.device)
    terms: dict[str, Tensor] = {}
    coupled = mixture(FixedEmbeddings(model, leaves), batch, step, mixture.select(couples_batch=True))
    if coupled is not None:
        _require_finite(coupled.loss, step)
        coupled.loss.backward()
        total += coupled.loss.detach()
        terms.update(coupled.terms)
    local = mixture.select(couples_batch=False)
    offset = dict.fromkeys(leaves, 0)
    for chunk, state in zip(chunks, states, strict=True):
        state.restore()
        forwards = BatchForwards(model, chunk, mixture.hidden)
        surrogate = _replay(forwards, chunk, leaves, offset)
        outcome = mixture(forwards, chunk, step, local)
        if outcome is not None:
            _require_finite(outcome.loss, step)
            share = len(chunk) / len(batch)
            surrogate = surrogate + outcome.loss * share
            total += outcome.loss.detach() * share
            for name, value in outcome.terms.items():
                terms[name] = terms.get(name, torch.zeros_like(value)) + value * share
        if surrogate.requires_grad:
            surrogate.backward()  # type: ignore[no-untyped-call]
    return {"loss": total, **terms}


def _replay(forwards: BatchForwards, chunk: Batch, leaves: Mapping[str, Tensor], offset: dict[str, int]) -> Tensor:
    """A scalar whose gradient pushes the leaves' gradients of this chunk through the towers."""
    surrogate = torch.zeros((), device=chunk.group.device)
    for modality, leaf in leaves.items():
        count = len(chunk.inputs[modality])
        rows = slice(offset[modality], offset[modality] + count)
        offset[modality] += count
        if count and leaf.grad is not None:
            surrogate = surrogate + (forwards.embedding(modality) * leaf.grad[rows]).sum()
    return surrogate


@torch.no_grad()
def _embed_without_graph(model: CrossModal, chunks: list[Batch]) -> tuple[list[_RandomState], dict[str, Tensor]]:
    states: list[_RandomState] = []
    parts: dict[str, list[Tensor]] = {modality: [] for modality in model.modalities}
    for chunk in chunks:
        states.append(_RandomState(chunk.group.device))
        forwards = BatchForwards(model, chunk)
        for modality, rows in parts.items():
            if len(chunk.inputs[modality]):
                rows.append(forwards.embedding(modality))
    leaves = {name: torch.cat(rows).requires_grad_() for name, rows in parts.items() if rows}
    return states, leaves


class _RandomState:
    """The generators that dropout draws from, as they were before a chunk."""

    def __init__(self, device: torch.device) -> None:
        self._cpu = torch.get_rng_state()
        self._device = device if device.type == "cuda" else None
        self._cuda = torch.cuda.get_rng_state(device) if self._device is not None else None

    def restore(self) -> None:
        """Set the generators back."""
        torch.set_rng_state(self._cpu)
        if self._cuda is not None and self._device is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)


def _require_finite(loss: Tensor, step: int) -> None:
    if not bool(torch.isfinite(loss)):
        raise ValueError(
            f"the loss of step {step} is {float(loss.detach())}; lower optimiser.rate, set optimiser.clip_norm, "
            "or look for broken inputs with `crossmod data look`."
        )
