"""Every objective of a recipe: on no row, on one, without a common modality, and under half-precision autocast."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crossmod.contracts.batch import AttachedInputs, Batch
from crossmod.contracts.tower import Tower
from crossmod.model import CrossModal
from crossmod.objectives import settings as everything
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards

TOWERS = runpy.run_path(str(Path(__file__).with_name("local") / "series_tower.py"))
PHRASES = runpy.run_path(str(Path(__file__).with_name("tower_of_phrases.py")))
ROWS = 12
PAIR: dict[str, Any] = {"a": "a", "b": "text"}
SMALL: dict[str, Any] = {"width": 16, "depth": 1, "heads": 2}

# Name of the settings class, and what to give it.
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "clip": ("InfoNCE", PAIR),
    "siglip": ("SigLIP", PAIR),
    "smoothed": ("SmoothedInfoNCE", PAIR),
    "cwcl": ("CWCL", PAIR),
    "cwcl both": ("CWCL", PAIR | {"weighted": "both", "power": 2.0}),
    "cwcl sharpened": ("CWCL", PAIR | {"sharpen": 0.1}),
    "noise": ("NoiseAdaptive", PAIR | {"samples": ROWS, "warmup_steps": 0, "refit_steps": 1}),
    "hinge": ("HardestNegative", PAIR),
    "identities": ("IdentityContrast", PAIR),
    "gap": ("ModalityGap", PAIR),
    "views": ("MultiView", {"pairs": [["a", "text"], ["b", "text"]]}),
    "filip": ("FILIP", PAIR | {"width": 8}),
    "filip reduced": ("FILIP", PAIR | {"width": 8, "reduced_a": 3, "reduction_groups": 2}),
    "filip selected": ("FILIP", PAIR | {"width": 8, "kept_share": 0.5, "half": True}),
    "fdt": ("FDT", PAIR | {"codes": 32, "width": 8, "temperature": 1.0}),
    "momentum": ("MomentumContrast", PAIR | {"width": 8, "queue": 16, "intra_weight": 1.0, "local_weight": 1.0}),
    "masked tokens": ("MaskedTokens", {"modality": "text"}),
    "phrases selected": ("TopKLocalAlign", PAIR | {"least": 2}),
    "phrases selected of all": ("TopKLocalAlign", PAIR | {"hidden_share": 0, "least": 2, "temperature": 0.1}),
    "phrases attended": ("AttendedLocalAlign", PAIR | {"width": 8}),
    "masked language distilled": ("MaskedLanguage", {"modality": "text", "share": 0.3, "distilled": 0.4}),
    "grounded language": ("GroundedLanguage", {"modality": "text", "condition": "a", **SMALL}),
    "masked language": ("MaskedLanguage", {"modality": "text", "share": 0.3}),
    "prefix": ("PrefixLanguage", {"modality": "text", **SMALL}),
    "attributes": ("AttributePrediction", {"modality": "text", "condition": "a", "heads": 2}),
    "masked patches": ("MaskedPatches", {"modality": "a", **SMALL}),
    "masked modalities": ("MaskedModalities", {"modalities": ("a", "b"), "visible": 6, "joint_width": 16, **SMALL}),
    "mixed patches": ("MixedPatches", {"modality": "a", "text": "b", "members": 2, "width": 8}),
    "colours": ("TextGuidedColourisation", {"modality": "picture", "text": "a", "width": 16}),
    "nearest codes": ("VectorQuantisation", {"modalities": ("a", "text"), "kind": "nearest", "width": 6, "codes": 5}),
    "gumbel codes": ("VectorQuantisation", {"modalities": ("a", "text"), "kind": "gumbel", "width": 6, "codes": 5}),
    "distillation": ("SelfDistillation", {"modality": "a"}),
    "spans": ("SpanDenoising", {"modality": "text", "width": 8, "heads": 2}),
    "matching": ("PairMatching", PAIR),
    "moment words": ("MomentWords", {"moment": "a", "text": "text", "width": 16}),
    "orders": ("EventOrder", PAIR | {"reordered_a": "turned"}),
    "captions": ("CaptionedMoments", {"a": "a"}),
    "regions": ("PromptedRegions", {"prompter": "", "whole": "a", "text": "text", "names": ["left", "right", "top"]}),
    "regions of none sure": (
        "PromptedRegions",
        {"prompter": "", "whole": "a", "text": "text", "names": ["left", "right", "top"], "threshold": 1.1},
    ),
    "resolutions": ("CrossResolution", {"short": "a", "long": "b", "text": "text", "projected": 16}),
    "resolutions predicted": ("CrossResolution", {"short": "a", "long": "b", "text": "text", "mode": "predict"}),
}
FUSED = ("PairMatching", "CrossResolution", "PromptedRegions")


@dataclass(frozen=True, kw_only=True)
class PromptedByItself(everything.PromptedRegions):
    """Regions that a frozen copy of the model names, as it stands before it is trained."""

    def _load(self, towers: Mapping[str, Tower]) -> CrossModal:
        return CrossModal(copy.deepcopy(dict(towers)), EmbeddingSettings(width=8))


def _settings(name: str) -> ObjectiveSettings:
    kind, given = RECIPES[name]
    if kind in FUSED:
        given = given | {"fusion": everything.TokenConcatenation(**SMALL)}
    made: ObjectiveSettings = (PromptedByItself if kind == "PromptedRegions" else getattr(everything, kind))(**given)
    return made


def _attached(rows: int, text: Any) -> dict[str, AttachedInputs]:
    """Two captions and a wrong order of the text at every even row, and one of the series at every third."""
    even, third = torch.arange(0, rows, 2), torch.arange(0, rows, 3)
    twice = even.repeat_interleave(2)
    return {
        "captions": AttachedInputs("text", text.take(twice), twice, twice % 5),
        "reordered": AttachedInputs("text", text.take(even.flip(0)), even, torch.full_like(even, -1)),
        "turned": AttachedInputs("a", TOWERS["waves"](rows, first=7).take(third), third, torch.full_like(third, -1)),
    }


def _parts(name: str, rows: int, lacking: tuple[str, ...] = ()) -> tuple[CrossModal, Mixture, Batch]:
    items = list(TinyData(points=40).build().training_items("text"))
    text = PHRASES["PhraseEncoder"]()
    processor = text.fit_processor(items)
    towers = {name: TOWERS["Series"]() for name in "ab"} | {"picture": TOWERS["Pictures"]()}
    model = CrossModal({**towers, "text": text.build(processor)}, EmbeddingSettings(width=8))
    inputs = {"a": TOWERS["waves"](rows), "b": TOWERS["waves"](rows, 32, 5), "picture": TOWERS["waves"](rows, 48, 3)}
    inputs["text"] = processor(items[: max(1, rows)]).take(torch.arange(rows))
    batch: Batch = TOWERS["batch_of"](rows, {each: range(rows) for each in lacking}, **inputs)
    batch = replace(batch, attached=_attached(rows, processor(items[: max(1, rows)])))
    return model, Mixture({"term": _settings(name)}, dict(model.towers)), batch


@pytest.mark.parametrize("name", RECIPES)
def test_no_row_and_nothing_in_common_cost_a_zero_with_gradient(name: str) -> None:
    for rows, lacking in ((0, ()), (3, ("a", "b", "picture", "text"))):
        model, mixture, batch = _parts(name, rows, lacking)
        outcome = mixture(BatchForwards(model, batch), batch, 0)
        outcome.loss.backward()
        mixture.after_step()
        assert float(outcome.loss.detach()) == 0
        for parameter in (*model.parameters(), *mixture.parameters()):
            assert parameter.grad is None or not bool(parameter.grad.any())


@pytest.mark.parametrize("name", RECIPES)
def test_one_row_costs_a_number(name: str) -> None:
    model, mixture, batch = _parts(name, 1)
    terms = backward(model, mixture, batch, 0)
    mixture.after_step()
    assert all(bool(torch.isfinite(value).all()) for value in terms.values())
    for parameter in (*model.parameters(), *mixture.parameters()):
        assert parameter.grad is None or bool(torch.isfinite(parameter.grad).all())


@pytest.mark.parametrize("name", RECIPES)
def test_autocast_trains_it_with_a_loss_in_single_precision(name: str) -> None:
    model, mixture, batch = _parts(name, ROWS)
    with torch.autocast("cpu", torch.bfloat16):
        outcome = mixture(BatchForwards(model, batch), batch, 0)
    outcome.loss.backward()
    assert outcome.loss.dtype == torch.float32 and bool(torch.isfinite(outcome.loss))
    found = [p.grad for p in (*model.parameters(), *mixture.parameters()) if p.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
    assert any(bool(gradient.any()) for gradient in found) == (name != "regions of none sure")
