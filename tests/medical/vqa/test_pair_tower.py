"""M3AE and PTUnifier: the fused tower, prompts for what is missing, and the terms of both sheets."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.prepare import Prepared, prepare
from crossmod_medical.encoders.settings import ImageTransformer
from crossmod_medical.encoders.word_numbers import word_beginnings, word_numbers
from crossmod_medical.grid import ImageGrid
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.masked_patches import PairMaskedPatchesObjective
from crossmod_medical.pairs.objective_settings import (
    PairMaskedPatches,
    PairMaskedWords,
    PairSwapping,
    StandInContrast,
)
from crossmod_medical.pairs.settings import CoAttentionPair, Prompts
from crossmod_medical.pairs.swapping import swap_images
from crossmod_medical.pairs.tower import CoAttentionPairTower
from crossmod_medical.vqa.data import VqaRad
from crossmod_medical.vqa.settings import AnswerTable

IMAGE = ImageTransformer(
    grid=ImageGrid(size=(32, 32), channels=1), patch=(8, 8), width=24, depth=1, heads=2, pooling="cls"
)
TEXT = TextTransformer(vocabulary=300, length=32, width=16, depth=1, heads=2, dropout=0.0)
PROMPTS = Prompts(size=24, image=5, text=4)
SETTINGS = CoAttentionPair(image=IMAGE, text=TEXT, width=16, depth=3, heads=2, dropout=0.0, prompts=PROMPTS)


class Subject:
    """A tower with its corpus, and gradients of one term."""

    def __init__(self, questions: Path, settings: CoAttentionPair = SETTINGS) -> None:
        corpus = VqaRad(root=str(questions), phrases="all", held_back=0.0).build()
        chosen: dict[str, Any] = {"image": settings, "text": AnswerTable(width=16)}
        processors = {name: made.fit_processor(corpus.training_items(name)) for name, made in chosen.items()}
        torch.manual_seed(0)
        towers: dict[str, Tower] = {name: made.build(processors[name]) for name, made in chosen.items()}
        self.prepared: Prepared = prepare(corpus, processors, workers=0, max_rejected=0.0)
        self.model = CrossModal(towers, EmbeddingSettings(width=16)).eval()
        self.towers, self.tower = towers, towers["image"]
        assert isinstance(self.tower, CoAttentionPairTower)

    def gradients(self, settings: ObjectiveSettings, rows: int = 8) -> dict[str, torch.Tensor]:
        self.model.zero_grad()
        torch.manual_seed(1)
        backward(self.model, Mixture({"term": settings}, self.towers), self.prepared.batch(torch.arange(rows)), 0, 0)
        named = dict(self.tower.named_parameters())
        return {name: held.grad for name, held in named.items() if held.grad is not None and bool(held.grad.any())}

    def inputs(self, rows: int = 6) -> PairInputs:
        taken = self.prepared.inputs["image"].take(torch.arange(rows))
        assert isinstance(taken, PairInputs)
        return taken


@pytest.fixture(scope="module")
def subject(questions: Path) -> Subject:
    return Subject(questions)


def touched(gradients: dict[str, torch.Tensor], start: str) -> bool:
    return any(name.startswith(start) for name in gradients)


def test_words_are_learned_with_the_image_and_patches_with_the_text(subject: Subject) -> None:
    words = subject.gradients(PairMaskedWords(share=0.5))
    assert touched(words, "image.stage") and touched(words, "text.blocks") and touched(words, "fusion.layers_b.2")
    patches = subject.gradients(PairMaskedPatches(layer=1))
    assert touched(patches, "text.blocks") and touched(patches, "fusion.layers_a.0")
    assert not touched(patches, "fusion.layers_a.1") and not touched(patches, "fusion.layers_a.2")
    assert not touched(words, "pools") and not touched(patches, "pools")


def test_both_streams_read_the_layer_before(subject: Subject) -> None:
    inputs = subject.inputs()
    fusion, visual, textual = subject.tower.fusion, subject.tower.visual(inputs), subject.tower.textual(inputs)
    straight = fusion(visual.tokens, textual.tokens, visual.mask, textual.mask)
    a = [fusion.enter_a(visual.tokens) + fusion.kinds[0]]
    b = [fusion.enter_b(textual.tokens) + fusion.kinds[1]]
    for layer_a, layer_b in zip(fusion.layers_a, fusion.layers_b, strict=True):
        # The other order of the two updates.
        new_b = layer_b(b[-1], a[-1], mask=textual.mask, context_mask=visual.mask)
        a.append(layer_a(a[-1], b[-1], mask=visual.mask, context_mask=textual.mask))
        b.append(new_b)
    torch.testing.assert_close(a[-1], straight.a[-1])
    real = textual.mask[..., None]
    torch.testing.assert_close(b[-1] * real, straight.b[-1] * real)


def test_only_hidden_patches_are_scored(subject: Subject) -> None:
    objective = PairMaskedPatches(layer=1).build(subject.towers).eval()
    assert isinstance(objective, PairMaskedPatchesObjective)
    with torch.no_grad():  # predicts zero everywhere
        for held in objective.decoder.predict.parameters():
            held.zero_()
    batch = subject.prepared.batch(torch.arange(12))
    loss = float(objective(BatchForwards(subject.model, batch), batch).loss.detach())
    # Standardised by the unbiased deviation, n values have a mean square of (n - 1) / n.
    assert loss == pytest.approx(63 / 64, abs=1e-3)


def test_swapped_labels_are_balanced_and_one_image_cannot_be_swapped() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in (2, 7, 32):
        picture = torch.arange(size) % max(2, size // 2)
        drawn = swap_images(picture, generator)
        assert abs(int(drawn.matched.sum()) * 2 - size) <= 1
        assert torch.equal(drawn.matched, drawn.picture == picture)
        assert set(drawn.picture.tolist()) <= set(picture.tolist())
    assert bool(swap_images(torch.zeros(4, dtype=torch.int64)).matched.all())


def test_a_batch_of_one_image_has_no_swapping_loss(subject: Subject) -> None:
    batch = subject.prepared.batch(torch.arange(3))
    outcome = PairSwapping().build(subject.towers)(BatchForwards(subject.model, batch), batch)
    assert float(outcome.loss.detach()) == 0.0 and outcome.loss.requires_grad


def test_words_are_whole(subject: Subject) -> None:
    processor = subject.tower.processor.text
    inputs = processor(["Where is the pneumothorax"])
    ids, _ = inputs.padded()
    number = word_numbers(ids, word_beginnings(processor))[0]
    assert number[0] == -1 and number[-1] == -1
    assert int(number.max()) == 4 and (number == 4).sum() > 1
    assert number[1:-1].diff().ge(0).all()


@pytest.mark.parametrize(("missing", "pool"), [("image", "pools.image"), ("text", "pools.text")])
def test_exactly_the_picked_rows_learn(subject: Subject, missing: Any, pool: str) -> None:
    inputs = subject.inputs()
    partial = inputs.without_images() if missing == "image" else inputs.without_texts()
    picked = subject.tower.picked(partial, missing)
    assert all(len(set(row)) == len(row) for row in picked.tolist())
    subject.model.zero_grad()
    (subject.tower(partial).pooled * torch.randn(6, 32, generator=torch.Generator().manual_seed(0))).sum().backward()
    rows = dict(subject.tower.named_parameters())[f"{pool}.rows"].grad
    assert rows is not None
    assert rows.any(1).nonzero()[:, 0].tolist() == sorted(set(picked.flatten().tolist()))
    other = "pools.text" if missing == "image" else "pools.image"
    assert dict(subject.tower.named_parameters())[f"{other}.rows"].grad is None


def test_a_sample_alone_picks_what_it_picks_in_a_batch(subject: Subject) -> None:
    inputs = subject.inputs().without_images()
    together = subject.tower.picked(inputs, "image")
    for row in range(6):
        alone = subject.tower.picked(inputs.take(torch.tensor([row])), "image")
        assert torch.equal(alone[0], together[row])


def test_a_pair_is_the_same_with_and_without_pools(questions: Path, subject: Subject) -> None:
    bare = Subject(questions, replace(SETTINGS, prompts=None))
    weights = {name: held for name, held in subject.tower.state_dict().items() if not name.startswith("pools")}
    bare.tower.load_state_dict(weights)
    inputs = subject.inputs()
    assert torch.equal(bare.tower(inputs).pooled, subject.tower(inputs).pooled)
    with pytest.raises(UserError, match="prompts"):
        bare.tower(inputs.without_images())


def test_pairs_images_and_texts_mix_in_one_batch(subject: Subject) -> None:
    inputs = subject.inputs()
    mixed = replace(
        inputs,
        picture=inputs.picture.where(torch.tensor([True, True, False] * 2), torch.tensor(-1)),
        text=inputs.text.where(torch.tensor([True, False, True] * 2), torch.tensor(-1)),
    )
    pooled = subject.tower(mixed).pooled
    assert pooled.shape == (6, subject.tower.width)
    for row in range(6):
        alone = subject.tower(mixed.take(torch.tensor([row]))).pooled[0]
        torch.testing.assert_close(alone, pooled[row], atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="neither"):
        subject.tower(inputs.without_images().without_texts())


def test_a_pool_of_its_own_size_gives_all_rows_in_the_order_of_scores(questions: Path) -> None:
    static = Subject(questions, replace(SETTINGS, prompts=Prompts(size=5, image=5, text=4)))
    partial = static.inputs().without_images()
    picked = static.tower.picked(partial, "image")
    assert sorted(picked[0].tolist()) == [0, 1, 2, 3, 4]
    pools = static.tower.pools
    assert pools is not None
    scores = pools.image.scores(*static.tower._text_query(partial, torch.ones(6, dtype=torch.bool)))
    assert bool((scores.gather(1, picked).diff() <= 0).all())


def test_contrast_of_equal_embeddings_is_the_logarithm_of_the_batch(subject: Subject) -> None:
    objective = StandInContrast().build(subject.towers)
    batch = subject.prepared.batch(torch.arange(0, 24, 3))  # one question an image

    class Constant(BatchForwards):
        def project(self, modality: str, pooled: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(torch.ones(len(pooled), 4), dim=1)

    outcome = objective(Constant(subject.model, batch), batch)
    assert float(outcome.loss) == pytest.approx(math.log(8), abs=1e-5)
    gradients = subject.gradients(StandInContrast(), rows=9)
    assert touched(gradients, "pools.image") and touched(gradients, "pools.text")


def test_terms_need_their_tower_and_prompts(questions: Path) -> None:
    bare = Subject(questions, replace(SETTINGS, prompts=None))
    with pytest.raises(UserError, match="prompts"):
        StandInContrast().build(bare.towers)
    with pytest.raises(UserError, match="CoAttentionPair"):
        PairSwapping(modality="text").build(bare.towers)
    with pytest.raises(UserError, match="layer"):
        PairMaskedPatches(layer=4).build(bare.towers)
    with pytest.raises(UserError, match="longer"):
        CoAttentionPair(image=IMAGE, text=TEXT, prompts=Prompts(size=64, image=4, text=31))
    with pytest.raises(UserError, match="pools"):
        Prompts(size=8, image=9, text=2)


def test_eight_pairs_are_learned_by_heart(questions: Path) -> None:
    own = Subject(questions, replace(SETTINGS, prompts=None, width=32, depth=2))
    own.model.train()
    terms = {"words": PairMaskedWords(share=0.3), "patches": PairMaskedPatches(layer=1, width=64, share=0.5)}
    mixture = Mixture(terms, own.towers)
    batch = own.prepared.batch(torch.arange(8))
    optimiser = torch.optim.AdamW([*own.model.parameters(), *mixture.parameters()], lr=3e-3)
    found = []
    for step in range(150):
        torch.manual_seed(step)
        optimiser.zero_grad()
        found.append(backward(own.model, mixture, batch, step, 0))
        optimiser.step()
    last = {name: sum(float(terms[name]) for terms in found[-10:]) / 10 for name in ("words/loss", "patches/loss")}
    # Patches take longer than words: 0.3 after twice the steps, here as with the objective on images alone.
    assert last["words/loss"] < 0.5 and last["patches/loss"] < 0.75 < 1.0 < float(found[0]["patches/loss"])


@pytest.mark.parametrize(
    "term",
    [PairMaskedWords(), PairMaskedPatches(layer=1), PairSwapping(), StandInContrast()],
    ids=lambda t: type(t).__name__,
)
def test_a_batch_without_a_complete_pair_adds_nothing(subject: Subject, term: ObjectiveSettings) -> None:
    batch = subject.prepared.batch(torch.arange(4))
    held = batch.inputs["image"]
    assert isinstance(held, PairInputs)
    partial = replace(batch, inputs={**batch.inputs, "image": held.without_texts()})
    loss = term.build(subject.towers)(BatchForwards(subject.model, partial), partial).loss
    assert float(loss.detach()) == 0.0 and loss.requires_grad
