"""The local objectives through recipes' settings: built from towers, learning, additive over chunks."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features, Tokens, Tower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local.masked_patches import MaskedPatchesObjective
from crossmod.objectives.local.settings import AttributePrediction, MaskedLanguage, MaskedPatches, PrefixLanguage
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.local.visible_tokens import VisibleTokens, gather_visible
from crossmod.objectives.local.visible_tower import VisibleTower
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.prepare import prepare
from crossmod.vectors.inputs import VectorInputs
from crossmod.vectors.settings import VectorEncoder

TEXT = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.0)
LANGUAGE = [
    MaskedLanguage(modality="text", share=0.3),
    MaskedLanguage(modality="text", share=0.3, span_length=3),
    PrefixLanguage(modality="text", width=16, depth=1, heads=2),
    AttributePrediction(modality="text", condition="point", heads=2),
    AttributePrediction(modality="text", condition="point", heads=2, share=0.5, phrases=("far right", "top", "left")),
]


def _parts(objective: ObjectiveSettings, batch: int = 16) -> tuple[CrossModal, Mixture, Batch]:
    corpus = TinyData(points=40).build()
    settings = {"point": VectorEncoder(width=16, dropout=0.0), "text": TEXT}
    processors = {name: entry.fit_processor(corpus.training_items(name)) for name, entry in settings.items()}
    towers = {name: entry.build(processors[name]) for name, entry in settings.items()}
    model = CrossModal(towers, EmbeddingSettings(width=8))
    data = prepare(corpus, processors, workers=0, max_rejected=0)
    return model, Mixture({"term": objective}, towers), data.batch(torch.arange(batch))


@pytest.mark.parametrize("objective", LANGUAGE)
def test_an_objective_learns(objective: ObjectiveSettings) -> None:
    model, mixture, batch = _parts(objective)
    optimiser = torch.optim.Adam([*model.parameters(), *mixture.parameters()], lr=1e-2)
    losses = []
    for step in range(60):
        optimiser.zero_grad()
        losses.append(float(backward(model, mixture, batch, step)["term/loss"]))
        optimiser.step()
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    weights = dict(mixture.named_parameters())
    still = [n for n, p in weights.items() if p.grad is None or not p.grad.any()]
    # A prefix holds at least one token, so nothing is ever written after the start alone.
    assert still in ([], ["objectives.term.start"])


@pytest.mark.parametrize("objective", LANGUAGE)
def test_an_empty_batch_and_one_row_are_defined(objective: ObjectiveSettings) -> None:
    model, mixture, batch = _parts(objective)
    for rows in (0, 1):
        index = torch.arange(rows)
        part = Batch(
            {name: inputs.take(index) for name, inputs in batch.inputs.items()},
            {name: mask[:rows] for name, mask in batch.present.items()},
            batch.group[:rows],
            batch.sample[:rows],
        )
        outcome = mixture(BatchForwards(model, part), part, 0)
        outcome.loss.backward()
        assert torch.isfinite(outcome.loss)
        assert rows or float(outcome.loss.detach()) == 0


@pytest.mark.parametrize("objective", LANGUAGE)
def test_it_runs_in_chunks(objective: ObjectiveSettings) -> None:
    model, mixture, batch = _parts(objective)
    terms = backward(model, mixture, batch, 0, chunk_size=5)
    assert torch.isfinite(terms["loss"]) and "term/accuracy" in terms


def test_the_decoder_of_a_prefix_reads_nothing_ahead() -> None:
    model, mixture, batch = _parts(PrefixLanguage(modality="text", width=16, depth=2, heads=2))
    objective, tower = mixture.objectives["term"], model.tower("text")
    tokens = tower.tokenise(batch.inputs["text"])
    prefix = tokens.mask & (tokens.mask.cumsum(1) <= 3)
    follows = tokens.mask & ~prefix
    real = tokens.context

    def states(values: Tensor) -> Tensor:
        features = tower.encode(tokens._replace(values=values), ~follows)
        return objective._decode(features.tokens, values, real, follows)

    before = states(tokens.values)
    for place in (5, 6):
        other = tokens.values.clone()
        other[:, place] = torch.randn(16)
        changed = states(other)
        ahead = follows.clone()
        ahead[:, place + 1 :] = False
        assert torch.equal(changed[ahead], before[ahead]), (
            "a token is betrayed to its own prediction or to earlier ones"
        )
        assert not torch.allclose(
            changed[:, place + 1][follows[:, place + 1]], before[:, place + 1][follows[:, place + 1]]
        )


def test_phrases_are_found_in_the_midst_of_sentences() -> None:
    model, mixture, batch = _parts(LANGUAGE[-1], batch=40)
    objective, tower = mixture.objectives["term"], model.tower("text")
    tokens = tower.tokenise(batch.inputs["text"])
    chosen = objective._choose(tokens)
    assert chosen.any() and not (chosen & ~tokens.mask).any()
    words = {tuple(phrase) for phrase in objective.phrases}
    for row in range(40):
        ids = tokens.targets[row][chosen[row]].tolist()
        joined = [[*a, *b] for a in words for b in words] + [list(w) for w in words]
        assert not ids or ids in joined or len(ids) > max(map(len, joined))


class Series(Tower):
    """A tower over vectors cut into patches of four numbers, as a time series is."""

    patch_values, patch_axes = 4, 1

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.embed, self.transformer = nn.Linear(4, width), TokenTransformer(width, 2, 2)
        self.places = nn.Parameter(torch.randn(32, width))

    def forward(self, inputs: VectorInputs, /) -> Features:
        tokens = self.tokenise(inputs)
        states = self.encode_visible(tokens, tokens.mask)
        return Features(states.values.mean(1), states.values, states.mask)

    def tokenise(self, inputs: VectorInputs, /) -> Tokens:
        patches = inputs.values.unflatten(1, (-1, 4))
        mask = torch.ones(patches.shape[:2], dtype=torch.bool)
        return Tokens(self.embed(patches) + self.places[: patches.shape[1]], mask.long(), mask, patches)

    def encode_visible(self, tokens: Tokens, visible: Tensor, /) -> VisibleTokens:
        kept = gather_visible(tokens.values, visible)
        return kept._replace(values=self.transformer(kept.values, kept.mask))

    def patches(self, tokens: Tokens, /) -> Tensor:
        return tokens.context

    def coordinates(self, tokens: Tokens, /) -> Tensor:
        length = tokens.mask.shape[1]
        return torch.arange(length, dtype=torch.float32)[None, :, None].expand(len(tokens.mask), length, 1)


class OneTower:
    """The least that an objective draws on."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower

    def tower(self, modality: str) -> Any:
        return self._tower


def _series(rows: int) -> Batch:
    time = torch.linspace(0, 12, 64)
    phase = torch.arange(rows)[:, None] * 1.1
    everywhere = torch.ones(rows, dtype=torch.bool)
    return Batch(
        {"series": VectorInputs((time + phase).sin())}, {"series": everywhere}, torch.arange(rows), torch.arange(rows)
    )


@pytest.mark.parametrize("masker", ["uniform", "block", "span"])
def test_masked_patches_learn_and_never_read_what_is_hidden(masker: Any) -> None:
    tower = Series()
    assert isinstance(tower, VisibleTower)
    settings = MaskedPatches(
        modality="series", masker=masker, share=0.5, span_length=3, standardised=False, width=16, depth=1, heads=2
    )
    objective = settings.build({"series": tower})
    assert isinstance(objective, MaskedPatchesObjective)
    batch, forwards = _series(12), OneTower(tower)
    optimiser = torch.optim.Adam([*tower.parameters(), *objective.parameters()], lr=5e-3)
    losses = []
    for _ in range(150):
        outcome = objective(forwards, batch)
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        losses.append(float(outcome.terms["loss"]))
    assert sum(losses[-10:]) < 0.4 * sum(losses[:10])
    assert 0 < float(outcome.terms["hidden"]) < 0.7
    for rows in (0, 1):
        assert torch.isfinite(objective(forwards, _series(rows)).loss)


def test_standardised_patches_are_the_default_and_a_constant_series_costs_little() -> None:
    objective = MaskedPatches(modality="series", width=16, heads=2).build({"series": Series()})
    flat = Batch({"series": VectorInputs(torch.full((2, 64), 9.0))}, {}, torch.arange(2), torch.arange(2))
    nn.init.zeros_(objective.decoder.predict.weight)
    nn.init.zeros_(objective.decoder.predict.bias)
    assert float(objective(OneTower(Series()), flat).terms["loss"]) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskedLanguage(modality="text", share=1.0), "share of hidden tokens"),
        (lambda: MaskedLanguage(modality="text", masked=0.9, swapped=0.2), "sum <= 1"),
        (lambda: MaskedLanguage(modality="text", span_length=0), "at least 1"),
        (lambda: PrefixLanguage(modality="text", smallest=0.9, largest=0.1), "smallest <= largest"),
        (lambda: PrefixLanguage(modality="text", width=10, heads=4), "multiple"),
        (lambda: MaskedPatches(modality="text", depth=0), "depth is 0"),
        (lambda: AttributePrediction(modality="text", condition="point", share=0.0), "share of hidden tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_towers_that_cannot_serve_are_refused() -> None:
    model, _, _ = _parts(InfoNCE(a="point", b="text"))
    towers = {name: model.tower(name) for name in model.modalities}
    for settings, message in (
        (MaskedLanguage(modality="point"), "has none"),
        (PrefixLanguage(modality="points"), "names the modality"),
        (MaskedPatches(modality="text"), "cannot"),
        (AttributePrediction(modality="text", condition="sound"), "names the modality"),
    ):
        with pytest.raises(UserError, match=message):
            settings.build(towers)


def test_settings_are_read_without_torch() -> None:
    code = "import sys, crossmod.objectives.local.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_objectives_have_no_state_that_a_copy_shares() -> None:
    model, mixture, batch = _parts(LANGUAGE[0])
    other = copy.deepcopy(mixture)
    torch.manual_seed(1)
    first = mixture(BatchForwards(model, batch), batch, 0).loss
    torch.manual_seed(1)
    assert torch.equal(first, other(BatchForwards(model, batch), batch, 0).loss)
