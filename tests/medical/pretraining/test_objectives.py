"""VELVET-Med's terms on one batch: check 3 of its sheet, and what its self-supervision sees and trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import AttendedLocalAlign, InfoNCE, MaskedLanguage
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod_medical.encoders.network_settings import VolumeResNet, VolumeSwin
from crossmod_medical.encoders.report_settings import ReportLevels
from crossmod_medical.pretraining.settings import VolumeSelfSupervision, WordRegions

CROPS = {"crop": (32, 32, 32), "width": 8}


def terms(weight: float) -> dict[str, ObjectiveSettings]:
    """The objectives of the recipe, all but the contrast of reports and volumes weighed."""
    return {
        "reports": InfoNCE(a="image", b="text"),
        "sentences": AttendedLocalAlign(a="image", b="text", stage=3, width=8, weight=weight),
        "words": WordRegions(stage=2, most=5, width=8, weight=weight),
        "volumes": VolumeSelfSupervision(**CROPS, weight=weight),
        "language": MaskedLanguage(modality="text", whole_words=True, weight=weight),
    }


def build(
    swin: VolumeSwin, levels: ReportLevels, reports: list[str], objectives: dict[str, ObjectiveSettings]
) -> tuple[CrossModal, Mixture]:
    torch.manual_seed(0)
    towers = {"image": swin.build(swin.grid.build()), "text": levels.build(levels.fit_processor(reports))}
    return CrossModal(towers, EmbeddingSettings(width=8)), Mixture(objectives, towers)


def test_without_the_other_terms_the_loss_is_clips_on_pooled_embeddings(
    swin: VolumeSwin, levels: ReportLevels, reports: list[str], batch: Batch
) -> None:
    model, mixture = build(swin, levels, reports, terms(0.0))
    loss = mixture(BatchForwards(model, batch), batch, 0).loss
    a, b = (model(name, batch.inputs[name]) for name in ("image", "text"))
    logits = a @ b.T / 0.07
    own = torch.arange(4)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(loss, expected)


def test_every_term_is_finite_and_all_parts_learn(
    swin: VolumeSwin, levels: ReportLevels, reports: list[str], batch: Batch
) -> None:
    model, mixture = build(swin, levels, reports, terms(1.0))
    found = backward(model, mixture, batch, 0)
    assert all(bool(value.isfinite().all()) for value in found.values())
    total = sum(float(found[f"{name}/loss"]) for name in terms(1.0))
    assert float(found["loss"]) == pytest.approx(total, rel=1e-5)
    still = [name for name, p in mixture.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert still == []
    parts = found["volumes/inpainting"] + found["volumes/rotation"] + found["volumes/contrast"]
    torch.testing.assert_close(found["volumes/loss"], parts)


def test_turned_volumes_are_seen_by_the_self_supervision_alone(
    swin: VolumeSwin, levels: ReportLevels, reports: list[str], batch: Batch
) -> None:
    model, mixture = build(swin, levels, reports, terms(1.0))
    forwards = BatchForwards(model, batch)
    before = model("image", batch.inputs["image"])
    mixture(forwards, batch, 0)
    assert torch.equal(forwards.embedding("image"), before)


def test_self_supervision_is_defined_on_one_volume_and_on_none(
    swin: VolumeSwin, levels: ReportLevels, reports: list[str], batch: Batch
) -> None:
    model, mixture = build(swin, levels, reports, {"volumes": VolumeSelfSupervision(**CROPS)})
    for rows in (1, 0):
        inputs = {name: held.take(torch.arange(rows)) for name, held in batch.inputs.items()}
        there = {name: torch.ones(rows, dtype=torch.bool) for name in inputs}
        part = Batch(inputs, there, torch.arange(rows), torch.arange(rows))
        found = mixture(BatchForwards(model, part), part, 0)
        found.loss.backward()
        assert bool(found.loss.isfinite()) and (rows or float(found.loss.detach()) == 0)
        assert rows == 0 or float(found.terms["volumes/contrast"]) == 0


def test_words_without_content_fall_back_to_all_and_places_are_few(
    swin: VolumeSwin, levels: ReportLevels, batch: Batch
) -> None:
    texts = ["The heart is enlarged.", "There is. There was.", "Emphysema.", "No effusion."]
    levels = replace(levels, vocabulary=2000)
    model, mixture = build(swin, levels, texts * 5, {"words": WordRegions(stage=2, most=5, width=8)})
    inputs = {**batch.inputs, "text": model.tower("text").processor(texts)}
    part = Batch(inputs, batch.present, batch.group, batch.sample)
    objective, forwards = mixture.objectives["words"], BatchForwards(model, part)
    words = objective.words(forwards, part, torch.arange(4))
    features = forwards.features("text")
    assert torch.equal(words.mask[1], features.mask[1]) and int(words.mask[0].sum()) < int(features.mask[0].sum())
    places = objective.places(forwards, torch.arange(4))
    assert places.tokens.shape == (4, 5, 8) and bool(places.mask.all())


def test_what_cannot_work_is_refused_in_a_sentence(swin: VolumeSwin, levels: ReportLevels, reports: list[str]) -> None:
    resnet = VolumeResNet(grid=swin.grid, base=8)
    text = levels.build(levels.fit_processor(reports))
    towers = {"image": swin.build(swin.grid.build()), "other": resnet.build(resnet.grid.build()), "text": text}
    for settings, sentence in (
        (VolumeSelfSupervision(modality="other", **CROPS), "maps of VolumeSwin"),
        (VolumeSelfSupervision(crop=(64, 64, 32)), "do not fit"),
        (WordRegions(text="image"), "none of reports"),
        (WordRegions(stage=5), "has 5 maps"),
        (AttendedLocalAlign(a="image", b="other"), "phrases of 'other'"),
    ):
        with pytest.raises(UserError, match=sentence):
            settings.build(towers)
    for wrong in ({"crop": (32, 64, 32)}, {"crop": (48, 48, 32)}, {"cube": 5}, {"cube": 96}, {"most_hidden": 1.0}):
        with pytest.raises(UserError):
            VolumeSelfSupervision(**wrong)
    with pytest.raises(UserError, match="most"):
        WordRegions(most=0)
