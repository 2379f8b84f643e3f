"""Every setting of the family as a recipe: built, run on a real batch, in chunks where it may, and learned from."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from crossmod.cli.recipes import dump_recipe, parse_recipe, read_recipe
from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.pairs import TokenSet
from crossmod.objectives.pairs.settings import (
    CWCL,
    HardestNegative,
    IdentityContrast,
    ModalityGap,
    MultiView,
    SmoothedInfoNCE,
)
from crossmod.objectives.pairs.state_settings import NoiseAdaptive
from crossmod.objectives.pairs.token_features import tokens_of
from crossmod.objectives.pairs.token_settings import FDT, FILIP
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData, domain
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.prepare import Prepared, prepare
from crossmod.vectors.settings import VectorEncoder

TEXT = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300)

# Tokens are to be had from texts only in the tiny domain, so that two texts stand for two modalities with tokens.
ON_EMBEDDINGS: dict[str, ObjectiveSettings] = {
    "cwcl": CWCL(a="text", b="point", source="embedding"),
    "cwcl both": CWCL(a="text", b="point", source="embedding", weighted="both", power=2.0, reduction="average"),
    "cwcl sharpened": CWCL(a="text", b="point", source="embedding", weighted="ba", sharpen=0.1),
    "hinge": HardestNegative(a="text", b="point"),
    "identity": IdentityContrast(a="text", b="point"),
    "smoothed": SmoothedInfoNCE(a="text", b="point"),
    "noise": NoiseAdaptive(a="text", b="point", samples=48, warmup_steps=100),
    "gap": ModalityGap(a="text", b="point"),
    "views": MultiView(pairs=[["text", "point"], ["other", "point"]]),
}
ON_FEATURES: dict[str, ObjectiveSettings] = {
    "cwcl": CWCL(a="text", b="point"),
    "filip": FILIP(a="text", b="other", width=8),
    "filip reduced": FILIP(a="text", b="other", width=8, reduced_a=3, reduction_groups=2, chunk_size=4),
    "filip selected": FILIP(a="text", b="other", width=8, kept_share=0.25, half=True, skip_a=1),
    "fdt": FDT(a="text", b="other", codes=32, width=8, temperature=1.0),
    "fdt released": FDT(
        a="text", b="other", codes=32, width=8, temperature=1.0, release_compat=True, smallest_scale=10
    ),
}


def _parts(settings: ObjectiveSettings) -> tuple[Prepared, CrossModal, Mixture]:
    corpus = TinyData(points=24).build()
    corpus = replace(corpus, columns={**corpus.columns, "other": corpus.columns["text"]})
    towers_settings = {"point": VectorEncoder(width=16), "text": TEXT, "other": TEXT}
    processors = {name: entry.fit_processor(corpus.training_items(name)) for name, entry in towers_settings.items()}
    towers = {name: entry.build(processors[name]) for name, entry in towers_settings.items()}
    model = CrossModal(towers, EmbeddingSettings(width=8)).eval()
    return prepare(corpus, processors, workers=0, max_rejected=0), model, Mixture({"term": settings}, towers)


def _gradients(model: CrossModal, mixture: Mixture, batch: Batch, chunk: int = 0) -> dict[str, torch.Tensor]:
    model, mixture = copy.deepcopy((model, mixture))
    backward(model, mixture, batch, step=0, chunk_size=chunk)
    both = [*model.named_parameters(prefix="model"), *mixture.named_parameters(prefix="mixture")]
    return {name: p.grad for name, p in both if p.grad is not None}


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_objectives_on_embeddings_have_one_gradient_whatever_the_chunk(name: str) -> None:
    prepared, model, mixture = _parts(ON_EMBEDDINGS[name])
    batch = prepared.batch(torch.arange(0, 15))
    whole, chunked = (_gradients(model, mixture, batch, chunk) for chunk in (0, 4))
    assert whole.keys() == chunked.keys() and any(bool(value.any()) for value in whole.values())
    for parameter, gradient in whole.items():
        assert (gradient - chunked[parameter]).norm() <= 5e-5 * gradient.norm() + 1e-6, parameter


@pytest.mark.parametrize("name", ON_FEATURES)
def test_objectives_on_features_train_what_they_own_and_refuse_chunks(name: str) -> None:
    prepared, model, mixture = _parts(ON_FEATURES[name])
    batch = prepared.batch(torch.arange(0, 15))
    found = _gradients(model, mixture, batch)
    own = {parameter for parameter, _ in mixture.named_parameters(prefix="mixture")}
    assert own and own <= found.keys()
    assert all(bool(torch.isfinite(value).all()) for value in found.values())
    assert any(bool(found[p].any()) for p in found if p.startswith("model.towers.text"))
    with pytest.raises(ValueError, match="set run.chunk_size 0"):
        _gradients(model, mixture, batch, chunk=4)


@pytest.mark.parametrize("name", [*ON_FEATURES, *(f"embedding {x}" for x in ON_EMBEDDINGS)])
def test_the_loss_falls(name: str) -> None:
    settings = ON_EMBEDDINGS.get(name.removeprefix("embedding ")) if name.startswith("embedding") else ON_FEATURES[name]
    assert settings is not None
    prepared, model, mixture = _parts(settings)
    batch = prepared.batch(torch.arange(0, 12))
    optimiser = torch.optim.Adam([*model.parameters(), *mixture.parameters()], lr=5e-3)
    losses = []
    for step in range(12):
        optimiser.zero_grad()
        losses.append(float(backward(model, mixture, batch, step)["loss"]))
        optimiser.step()
        mixture.after_step()
    assert losses[-1] < losses[0] - 0.02 * abs(losses[0])


@pytest.mark.parametrize("name", [*ON_FEATURES, *(f"embedding {x}" for x in ON_EMBEDDINGS)])
def test_rows_that_lack_a_modality_are_left_out_and_no_common_row_is_a_zero(name: str) -> None:
    settings = ON_EMBEDDINGS.get(name.removeprefix("embedding ")) if name.startswith("embedding") else ON_FEATURES[name]
    assert settings is not None
    prepared, model, mixture = _parts(settings)
    batch = prepared.batch(torch.arange(0, 8))

    def without(rows: Mapping[str, torch.Tensor]) -> Batch:
        inputs, present = dict(batch.inputs), dict(batch.present)
        for modality, missing in rows.items():
            present[modality] = ~missing
            inputs[modality] = batch.inputs[modality].take((~missing).nonzero()[:, 0])
        return replace(batch, inputs=inputs, present=present)

    some = torch.arange(8) < 3
    lacking = without(dict.fromkeys(("text", "point", "other"), some))
    full = prepared.batch(torch.arange(3, 8))
    expected = mixture(BatchForwards(model, full), full, 0).loss
    assert torch.allclose(mixture(BatchForwards(model, lacking), lacking, 0).loss, expected, atol=1e-5)
    nothing = without({"text": some, "point": ~some, "other": ~some})
    if isinstance(settings, MultiView):
        nothing = without({"text": some, "point": ~some, "other": some})
    outcome = mixture(BatchForwards(model, nothing), nothing, 0)
    assert float(outcome.loss.detach()) == 0 and outcome.loss.requires_grad


def test_a_tower_without_tokens_is_named() -> None:
    prepared, model, mixture = _parts(FILIP(a="text", b="point", width=8))
    batch = prepared.batch(torch.arange(0, 4))
    with pytest.raises(UserError, match="'point', but its tower VectorTower returns none"):
        mixture(BatchForwards(model, batch), batch, 0)


def test_special_tokens_may_be_left_out_unless_nothing_is_left() -> None:
    prepared, model, _ = _parts(FILIP(a="text", b="other", width=8))
    batch = prepared.batch(torch.arange(0, 4))
    forwards = BatchForwards(model, batch)
    found = tokens_of(forwards, "text", torch.tensor([2, 0]), 1)
    features = forwards.features("text")
    assert isinstance(found, TokenSet) and features.tokens is not None and features.mask is not None
    assert torch.equal(found.tokens, features.tokens[[2, 0], 1:]) and torch.equal(found.mask, features.mask[[2, 0], 1:])
    with pytest.raises(UserError, match="no token besides the 24"):
        tokens_of(forwards, "text", torch.tensor([0]), 24)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: FDT(a="text", b="voice"), "names the modality 'voice'"),
        (lambda: FILIP(a="voice", b="text"), "names the modality 'voice'"),
        (lambda: CWCL(a="text", b="voice"), "names the modality 'voice'"),
        (lambda: MultiView(pairs=[["text", "voice"]]), "names the modality 'voice'"),
        (lambda: MultiView(pairs=[["text", "text"]]), "two different modalities"),
        (lambda: MultiView(pairs=[]), "two different modalities"),
        (lambda: SmoothedInfoNCE(a="text", b="point", amount=2.0), "between 0 and 1"),
        (lambda: NoiseAdaptive(a="text", b="point", samples=0), "at least one sample"),
        (lambda: NoiseAdaptive(a="text", b="point", samples=9, strength=2.0), "strength is 2.0"),
        (lambda: NoiseAdaptive(a="text", b="voice", samples=9), "names the modality 'voice'"),
        (lambda: HardestNegative(a="text", b="point", margin=0.0), "margin is 0.0"),
        (lambda: CWCL(a="text", b="point", power=2.0, sharpen=0.1), "power 1 with a sharpening"),
        (lambda: FILIP(a="text", b="other", width=9, reduced_a=2), "8 groups do not divide"),
        (lambda: FILIP(a="text", b="other", scale=200.0), "outside its clamp"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _parts(settings())


@pytest.mark.parametrize("settings", [*ON_EMBEDDINGS.values(), *ON_FEATURES.values()])
def test_a_recipe_names_them_by_path_and_reads_back_equal(settings: ObjectiveSettings) -> None:
    kind = f"{type(settings).__module__}.{type(settings).__qualname__}"
    recipe = replace(parse_recipe(domain, []), objectives={"term": settings})
    text = dump_recipe(recipe)
    assert kind in text or type(settings).__name__ in text
    assert read_recipe(domain, text) == recipe


@pytest.mark.parametrize("module", ["settings", "token_settings", "state_settings"])
def test_settings_import_no_torch(module: str) -> None:
    code = f"import sys, crossmod.objectives.pairs.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
