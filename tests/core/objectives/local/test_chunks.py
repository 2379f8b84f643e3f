"""Local objectives are additive: chunks of a batch, some rows lacking a modality, give its gradient and its state."""

from __future__ import annotations

import copy
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.model import CrossModal
from crossmod.objectives.local import modality_masking, span_language
from crossmod.objectives.local.mixed_settings import MaskedModalities, MixedPatches, TextGuidedColourisation
from crossmod.objectives.local.settings import AttributePrediction, MaskedLanguage, MaskedPatches, PrefixLanguage
from crossmod.objectives.local.span_denoising import Span
from crossmod.objectives.local.state_settings import SelfDistillation, SpanDenoising, VectorQuantisation
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))
SMALL: dict[str, Any] = {"width": 16, "heads": 2, "depth": 1}
HEAD: dict[str, Any] = {"outputs": 12, "hidden": 8, "bottleneck": 4, "local_views": 2}
QUANTISED: dict[str, Any] = {"width": 6, "codes": 5}
OBJECTIVES: dict[str, ObjectiveSettings] = {
    "language": MaskedLanguage(modality="text", share=0.3, masked=1.0, swapped=0.0),
    "spans": MaskedLanguage(modality="text", share=0.3, masked=1.0, swapped=0.0, span_length=3),
    "prefix": PrefixLanguage(modality="text", smallest=0.5, largest=0.5, **SMALL),
    "attributes": AttributePrediction(modality="text", condition="a", heads=2, phrases=("far right", "top", "left")),
    "denoising": SpanDenoising(modality="text", **SMALL),
    **{
        f"{masker} {target}": MaskedPatches(
            modality="a", masker=masker, target=target, point_axes=2, share=0.5, standardised=False, **SMALL
        )
        for masker in ("uniform", "block", "span", "tube")
        for target in ("values", "codes", "points", "quantiles")
    },
    "modalities": MaskedModalities(modalities=("a", "b"), visible=7, codes=("b",), joint_width=16, **SMALL),
    "mixed": MixedPatches(modality="a", text="text", width=8),
    "colours": TextGuidedColourisation(modality="picture", text="text", width=8),
    "views of patches": SelfDistillation(modality="a", **HEAD),
    "views of tokens": SelfDistillation(modality="text", **HEAD),
    "nearest": VectorQuantisation(modalities=("a", "text"), **QUANTISED),
    "residual": VectorQuantisation(modalities=("a",), parts=2, **QUANTISED),
    "gumbel": VectorQuantisation(modalities=("a", "text"), kind="gumbel", parts=2, diversity=0.0, **QUANTISED),
}
LACKING = {"a": (1, 6), "b": (0, 6, 7), "picture": (2,), "text": (6, 9)}


def _parts(settings: ObjectiveSettings, lacking: dict[str, Any] = LACKING) -> tuple[CrossModal, Mixture, Batch]:
    torch.manual_seed(0)
    texts = TinyData(points=40).build()
    text = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.0)
    processor = text.fit_processor(texts.training_items("text"))
    series, pictures = TOWERS["Series"], TOWERS["Pictures"]
    towers = {"a": series(), "b": series(), "picture": pictures(), "text": text.build(processor)}
    model = CrossModal(towers, EmbeddingSettings(width=8)).double()
    inputs = {"a": TOWERS["waves"](12), "b": TOWERS["waves"](12, 32, 5), "picture": TOWERS["waves"](12, 48, 3)}
    inputs["text"] = processor(list(texts.training_items("text"))[:12])
    return model, Mixture({"term": settings}, towers).double(), TOWERS["batch_of"](12, lacking, **inputs)


def _even(*shape: Any, **options: Any) -> Tensor:
    """Draws that depend on the place in a row and not on the row: the same in any chunk."""
    sizes = tuple(shape[0]) if isinstance(shape[0], tuple | torch.Size) else shape
    kind = options.get("dtype") or torch.float32
    if len(sizes) == 1:
        return torch.full(sizes, 0.4, dtype=kind)
    return (torch.arange(sizes[-1]) * 0.618 % 1).to(kind).expand(sizes).clone()


@pytest.fixture
def _same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", _even)
    monkeypatch.setattr(span_language, "draw_spans", lambda length, *_: [Span(0, 2), Span(3, 4)] if length > 3 else [])
    monkeypatch.setattr(
        modality_masking, "dirichlet_shares", lambda present, *_, **__: present / present.sum(1, keepdim=True).clamp(1)
    )


@pytest.mark.usefixtures("_same_draws")
@pytest.mark.parametrize("size", [4, 2])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_chunks_give_the_gradient_and_the_state_of_the_batch(name: str, size: int) -> None:
    # Sets of mixed samples are whole in chunks only where no row of a chunk lacks a modality.
    model, mixture, batch = _parts(OBJECTIVES[name], {} if name == "mixed" else LACKING)
    _start(mixture, model, batch)
    found = []
    for chunk in (0, size):
        own, terms = copy.deepcopy((model, mixture)), {}
        torch.manual_seed(5)
        terms = backward(*own, batch, 0, chunk_size=chunk)
        gradients = {key: p.grad for part in own for key, p in part.named_parameters() if p.grad is not None}
        own[1].after_step()
        found.append((float(terms["loss"]), gradients, dict(own[1].named_buffers())))
    (loss, gradients, buffers), (parts, chunked, states) = found
    assert parts == pytest.approx(loss, rel=1e-6) and loss != 0
    assert sum(bool(each.any()) for each in gradients.values()) > 3
    for key, each in gradients.items():
        assert torch.allclose(chunked.get(key, torch.zeros_like(each)), each, atol=2e-7), key
    for key, each in buffers.items():
        assert torch.allclose(states[key].double(), each.double(), atol=1e-6), key


def _start(mixture: Mixture, model: nn.Module, batch: Batch) -> None:
    """One step, so that codebooks are started and teachers are copies."""
    backward(model, mixture, batch, 0)
    mixture.after_step()
    for each in (*model.parameters(), *mixture.parameters()):
        each.grad = None


def test_the_mean_over_all_tokens_is_left_to_whole_batches() -> None:
    by_token = MaskedPatches(modality="a", reduction="token", **SMALL)
    assert by_token.build(dict(_parts(by_token)[0].towers)).reduction == "token"


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if "views" not in name])
def test_an_objective_learns(name: str) -> None:
    model, mixture, batch = _parts(OBJECTIVES[name], {})
    model, mixture = model.float(), mixture.float()
    optimiser = torch.optim.Adam([p for p in (*model.parameters(), *mixture.parameters()) if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(60):
        torch.manual_seed(0)
        optimiser.zero_grad()
        losses.append(float(backward(model, mixture, batch, step)["term/loss"]))
        optimiser.step()
        mixture.after_step()
    assert losses[-1] < 0.7 * losses[1], losses
    still = [key for key, p in mixture.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not still


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_row_and_one_row_are_defined(name: str, rows: int) -> None:
    model, mixture, batch = _parts(OBJECTIVES[name], {})
    part = batch.split(rows)[0] if rows else _none_of(batch)
    terms = backward(model, mixture, part, 0)
    mixture.after_step()
    assert torch.isfinite(terms["loss"]) and (rows or float(terms["loss"]) == 0)
    assert all(torch.isfinite(p.grad).all() for p in (*model.parameters(), *mixture.parameters()) if p.grad is not None)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_modality_that_every_row_lacks_is_a_zero(name: str) -> None:
    model, mixture, batch = _parts(OBJECTIVES[name], {"a": range(12), "text": range(12), "picture": range(12)})
    terms = backward(model, mixture, batch, 0)
    mixture.after_step()
    # Of two modalities the other may still be there.
    assert torch.isfinite(terms["loss"]) and (name == "modalities" or float(terms["loss"]) == 0)


def _none_of(batch: Batch) -> Batch:
    none = torch.arange(0)
    inputs = {name: each.take(none) for name, each in batch.inputs.items()}
    present = {name: each[:0] for name, each in batch.present.items()}
    return Batch(inputs, present, batch.group[:0], batch.sample[:0])
