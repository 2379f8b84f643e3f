"""Codes and spans as terms of a recipe; checks of the sheets unitts-distilcodec and speecht5."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local import cut_spans, fill_spans
from crossmod.objectives.local.settings import MaskedLanguage
from crossmod.objectives.local.span_denoising import Denoising, Span
from crossmod.objectives.local.state_settings import SelfDistillation, SpanDenoising, VectorQuantisation
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))


def _parts(settings: Any, rows: int = 12) -> tuple[CrossModal, Mixture, Any]:
    torch.manual_seed(0)
    items = TinyData(points=40).build().training_items("text")
    text = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.0)
    processor = text.fit_processor(items)
    model = CrossModal({"a": TOWERS["Series"](), "text": text.build(processor)}, EmbeddingSettings(width=8))
    batch = TOWERS["batch_of"](rows, {}, a=TOWERS["waves"](rows), text=processor(list(items)[:rows]))
    return model, Mixture({"term": settings}, dict(model.towers)), batch


@pytest.mark.parametrize("kind", ["nearest", "gumbel"])
def test_each_modality_alone_moves_the_shared_codebook(kind: Any) -> None:
    for modality, other in (("a", "text"), ("text", "a")):
        settings = VectorQuantisation(modalities=("a", "text"), kind=kind, width=6, codes=5, parts=2, dead_below=0.0)
        model, mixture, batch = _parts(settings)
        batch = TOWERS["batch_of"](12, {other: range(12)}, **batch.inputs)
        quantiser = mixture.objectives["term"].quantiser
        before = {name: value.clone() for name, value in quantiser.state_dict().items()}
        backward(model, mixture, batch, 0)
        assert any(p.grad is not None and p.grad.any() for p in model.towers[modality].parameters())
        if kind == "gumbel":
            assert quantiser.codebook.grad.any()
        mixture.after_step()
        assert kind == "gumbel" or any(not torch.equal(before[k], v) for k, v in quantiser.state_dict().items())


def test_usage_counts_codes_over_steps_and_begins_anew() -> None:
    model, mixture, batch = _parts(VectorQuantisation(modalities=("a",), width=4, codes=8, usage_steps=3))
    objective = mixture.objectives["term"]
    seen = []
    for step in range(4):
        backward(model, mixture, batch, step)
        mixture.after_step()
        seen.append(int(objective.usage.counts.sum()))
    assert seen == [12 * 16, 2 * 12 * 16, 3 * 12 * 16, 12 * 16]
    terms = backward(model, mixture, batch, 5)
    assert 0 < float(terms["term/used"]) <= 1 and 1 <= float(terms["term/perplexity"]) <= 8


def test_dead_codes_come_back_to_life() -> None:
    used = []
    for dead_below in (0.0, 0.5):
        settings = VectorQuantisation(modalities=("a",), width=4, codes=16, decay=0.5, dead_below=dead_below)
        model, mixture, batch = _parts(settings)
        stage = mixture.objectives["term"].quantiser.stages[0]
        stage.started.fill_(True)
        stage.codebook[1:] += 100.0
        for step in range(30):
            backward(model, mixture, batch, step)
            mixture.after_step()
        used.append(float(backward(model, mixture, batch, 30)["term/used"]))
    assert used[0] == pytest.approx(1 / 16) and used[1] > 0.5


def test_what_is_hidden_is_what_is_written() -> None:
    model, mixture, batch = _parts(SpanDenoising(modality="text", share=0.4, width=8, heads=2, spans=2))
    objective, tower = mixture.objectives["term"], model.tower("text")
    tokens = tower.tokenise(batch.inputs["text"])
    cut = objective.cut(tokens)
    assert cut.hidden.any() and not (cut.hidden & ~tokens.mask).any()
    for row in range(12):
        ids, gone = tokens.targets[row][tokens.mask[row]], cut.hidden[row][tokens.mask[row]]
        edges = torch.diff(torch.cat([torch.zeros(1), gone.float(), torch.zeros(1)]))
        starts, stops = (edges > 0).nonzero()[:, 0].tolist(), (edges < 0).nonzero()[:, 0].tolist()
        spans = [Span(*pair) for pair in zip(starts, stops, strict=True)]
        assert 1 <= len(spans) <= 2
        wanted = cut_spans(ids, spans, objective.sentinels)
        written = cut.written[row][cut.mask[row]]
        assert written.tolist() == [*wanted.targets.tolist(), objective.sentinels[len(spans)]]
        whole = Denoising(wanted.inputs, written[:-1])
        assert torch.equal(fill_spans(*whole, objective.sentinels), ids)


def test_the_writer_reads_nothing_ahead_and_nothing_hidden() -> None:
    model, mixture, batch = _parts(SpanDenoising(modality="text", share=0.4, width=8, depth=2, heads=2))
    objective, tower = mixture.objectives["term"], model.tower("text")
    tokens = tower.tokenise(batch.inputs["text"])
    cut = objective.cut(tokens)
    noise = torch.where(cut.hidden[..., None], torch.randn_like(tokens.values), tokens.values)
    states = [tower.encode(tokens._replace(values=v), ~cut.hidden).tokens for v in (tokens.values, noise)]
    assert torch.equal(*states)
    before = objective._decode(states[0], tokens.context, cut)
    other = cut._replace(written=cut.written.clone())
    other.written[:, 2] = (other.written[:, 2] + 1) % 100
    after = objective._decode(states[0], tokens.context, other)
    assert torch.allclose(before[:, :2], after[:, :2], atol=1e-6) and not torch.allclose(before[:, 2], after[:, 2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda towers: VectorQuantisation(modalities=("a", "a")), "each once"),
        (lambda towers: VectorQuantisation(modalities=("a",), decay=1.0), r"\[0, 1\)"),
        (lambda towers: VectorQuantisation(modalities=("a",), kind="gumbel", width=7, parts=2), "multiple"),
        (lambda towers: VectorQuantisation(modalities=("c",)).build(towers), "names the modality"),
        (lambda towers: VectorQuantisation(modalities=("bare",)).build(towers), "has none"),
        (lambda towers: SelfDistillation(modality="bare").build(towers), "cannot"),
        (lambda towers: SpanDenoising(modality="text", share=1.0), "share"),
        (lambda towers: SpanDenoising(modality="text", width=9), "multiple"),
        (lambda towers: SpanDenoising(modality="a").build(towers), "has none"),
    ],
)
def test_settings_and_towers_that_cannot_work_are_refused(make: Any, message: str) -> None:
    towers = {**dict(_parts(MaskedLanguage(modality="text"))[0].towers), "bare": TOWERS["Pictures"]()}
    with pytest.raises(UserError, match=message):
        make(towers)
