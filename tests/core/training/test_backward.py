"""Chunked backward gives the gradient of the whole batch: embeddings, scales and dropout included."""

from __future__ import annotations

import copy

import pytest
import torch

from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE, MaskedTokens, SigLIP
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.prepare import Prepared, prepare
from crossmod.vectors.settings import VectorEncoder

TEXT = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.1)


def _parts(objectives: dict[str, ObjectiveSettings], dropout: float = 0.0) -> tuple[Prepared, CrossModal, Mixture]:
    corpus = TinyData(points=30).build()
    settings = {"point": VectorEncoder(width=16, dropout=dropout), "text": TEXT}
    processors = {name: entry.fit_processor(corpus.training_items(name)) for name, entry in settings.items()}
    towers = {name: entry.build(processors[name]) for name, entry in settings.items()}
    model = CrossModal(towers, EmbeddingSettings(width=8))
    return prepare(corpus, processors, workers=0, max_rejected=0), model, Mixture(objectives, towers)


def _gradients(prepared: Prepared, model: CrossModal, mixture: Mixture, chunk: int) -> dict[str, torch.Tensor]:
    model, mixture = copy.deepcopy((model, mixture))
    torch.manual_seed(5)
    backward(model, mixture, prepared.batch(torch.arange(0, 24)), step=0, chunk_size=chunk)
    both = [*model.named_parameters(prefix="model"), *mixture.named_parameters(prefix="mixture")]
    return {name: p.grad for name, p in both if p.grad is not None}


@pytest.mark.parametrize("chunk", [1, 5, 8, 12])
@pytest.mark.parametrize("objective", [InfoNCE(a="point", b="text"), SigLIP(a="point", b="text", bias=-2.0)])
def test_the_gradient_does_not_depend_on_the_chunk(chunk: int, objective: ObjectiveSettings) -> None:
    prepared, model, mixture = _parts({"contrast": objective})
    model.eval()  # without dropout, whose draws differ with the chunk
    whole, chunked = (_gradients(prepared, model, mixture, size) for size in (0, chunk))
    assert whole.keys() == chunked.keys()
    assert any("scale" in name for name in whole)
    for name, gradient in whole.items():
        assert (gradient - chunked[name]).norm() <= 1e-5 * gradient.norm() + 1e-7, name


def test_plain_accumulation_would_give_another_gradient() -> None:
    prepared, model, mixture = _parts({"contrast": InfoNCE(a="point", b="text")})
    model.eval()
    whole = _gradients(prepared, model, mixture, 0)
    for chunk in prepared.batch(torch.arange(0, 24)).split(6):
        backward(model, mixture, chunk, step=0)
    name = "model.towers.point.layers.0.weight"
    accumulated = dict(model.named_parameters(prefix="model"))[name].grad
    assert accumulated is not None
    cosine = torch.nn.functional.cosine_similarity(whole[name].flatten(), accumulated.flatten(), dim=0)
    assert float(cosine) < 0.99


def test_the_replay_draws_the_same_dropout_as_the_first_pass() -> None:
    # The embeddings of pass one are the leaves; were pass two to drop others, its surrogate would not be consistent
    # with them: the gradient of the sum of both equals finite differences only when masks agree.
    prepared, model, mixture = _parts({"contrast": InfoNCE(a="point", b="text")}, dropout=0.5)
    model.train()
    first = _gradients(prepared, model, mixture, 8)
    again = _gradients(prepared, model, mixture, 8)
    assert all(torch.equal(first[name], again[name]) for name in first)
    gradient = first["model.towers.point.layers.3.bias"]
    steepest = int(gradient.abs().argmax())
    step = torch.zeros_like(gradient)
    step[steepest] = 1e-2

    def loss(shift: float) -> float:
        moved = copy.deepcopy(model)
        with torch.no_grad():
            moved.towers["point"].layers[3].bias += shift * step
        torch.manual_seed(5)
        terms = backward(moved, copy.deepcopy(mixture), prepared.batch(torch.arange(0, 24)), step=0, chunk_size=8)
        return float(terms["loss"])

    slope = (loss(1.0) - loss(-1.0)) / 2e-2
    assert slope == pytest.approx(float(gradient[steepest]), rel=2e-2)


def test_local_objectives_are_averaged_over_chunks() -> None:
    objectives: dict[str, ObjectiveSettings] = {
        "contrast": InfoNCE(a="point", b="text"),
        "words": MaskedTokens(modality="text", share=0.3, weight=0.5),
    }
    prepared, model, mixture = _parts(objectives)
    model.eval()
    batch = prepared.batch(torch.arange(0, 24))
    torch.manual_seed(1)
    terms = backward(model, mixture, batch, step=0, chunk_size=8)
    assert set(terms) >= {"loss", "contrast/loss", "contrast/scale", "words/loss", "words/accuracy"}
    expected = terms["contrast/loss"] + 0.5 * terms["words/loss"]
    assert float(terms["loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert all(p.grad is not None for p in mixture.parameters())


def test_a_loss_that_is_not_finite_names_its_step_and_what_to_do() -> None:
    prepared, model, mixture = _parts({"contrast": InfoNCE(a="point", b="text")})
    with torch.no_grad():
        model.heads["point"][0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"step 7|not finite|NaN|finite"):
        backward(model, mixture, prepared.batch(torch.arange(0, 24)), step=7)
