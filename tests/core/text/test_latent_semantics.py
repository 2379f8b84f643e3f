"""Latent semantic analysis: the decomposition, what lies together in it, and what of it is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmod.errors import UserError
from crossmod.text.latent_semantics import LatentSemanticProcessor
from crossmod.text.settings import LatentSemanticText

TEXTS = [
    *("turn on the kitchen lamp", "switch on the kitchen light", "turn off the lamp", "switch the light off"),
    *("turn on the bright lamp", "a bright light please", "play some quiet music", "play a loud song"),
    *("stop the music", "stop that song", "a quiet song please", "louder music"),
]
SMALL = LatentSemanticText(word_orders=(1,), buckets=4096, width=4)


def embedded(settings: LatentSemanticText, texts: list[str], training: list[str] = TEXTS) -> torch.Tensor:
    processor = settings.fit_processor(training)
    return settings.build(processor)(processor(texts)).pooled


def test_the_directions_are_those_of_the_whole_decomposition():
    processor = SMALL.fit_processor(TEXTS)
    inputs = processor(TEXTS)
    dense = np.zeros((len(TEXTS), 4096))
    for row, (start, stop) in enumerate(zip(inputs.offsets[:-1], inputs.offsets[1:], strict=True)):
        dense[row, inputs.buckets[start:stop]] = inputs.weights[start:stop]
    _, values, vectors = np.linalg.svd(dense, full_matrices=False)
    overlap = np.abs((vectors[:4] * processor.basis.T).sum(1))
    assert np.allclose(overlap, 1, atol=1e-5), (overlap, values[:6])
    assert np.allclose(processor.basis.T @ processor.basis, np.eye(4), atol=1e-5)
    pooled = dense @ vectors[:4].T
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert np.allclose(embedded(SMALL, TEXTS).numpy() @ embedded(SMALL, TEXTS).numpy().T, pooled @ pooled.T, atol=1e-4)


def test_words_that_share_their_company_lie_together_though_no_text_holds_both():
    lamp, light, music = embedded(replace(SMALL, width=2), ["lamp", "light", "music"])
    assert not any("lamp" in text and "light" in text for text in TEXTS)
    assert lamp @ light > 0.75 > 0.3 > lamp @ music


def test_directions_beyond_what_the_texts_span_are_zero():
    wide = embedded(replace(SMALL, width=64), TEXTS)
    assert wide.shape == (len(TEXTS), 64)
    assert torch.allclose(wide.norm(dim=1), torch.ones(len(TEXTS)), atol=1e-5)
    assert (wide[:, len(TEXTS) :] == 0).all()


def test_fitting_twice_gives_the_same_and_leaves_randomness_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = SMALL.fit_processor(TEXTS), SMALL.fit_processor(TEXTS)
    assert np.array_equal(first.basis, second.basis) and torch.equal(state, torch.get_rng_state())


def test_spec_and_files_restore_it_and_others_are_refused():
    processor = SMALL.fit_processor(TEXTS)
    again = SMALL.load_processor(processor.spec, processor.files())
    assert np.array_equal(again.basis, processor.basis)
    with pytest.raises(UserError, match="width"):
        replace(SMALL, width=8).load_processor(processor.spec, processor.files())
    with pytest.raises(UserError, match="word_orders"):
        replace(SMALL, word_orders=(1, 2)).load_processor(processor.spec, processor.files())
    other = SMALL.fit_processor(TEXTS[:8])
    with pytest.raises(UserError):
        SMALL.load_processor(processor.spec, {**processor.files(), "basis.npy": other.files()["basis.npy"]})


def test_there_is_nothing_to_train_and_nothing_in_the_weights():
    tower = SMALL.build(SMALL.fit_processor(TEXTS))
    assert list(tower.parameters()) == [] and list(tower.state_dict()) == []


def test_of_many_texts_every_so_manieth_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("crossmod.text.latent_semantics.MOST_TEXTS", 6)
    sparse = LatentSemanticProcessor.fit(TEXTS, width=12, word_orders=(1,), character_orders=(), buckets=4096)
    assert np.linalg.matrix_rank(sparse.basis) <= 6


def test_texts_of_unknown_words_are_rejected_with_a_reason():
    processor = SMALL.fit_processor(TEXTS)
    assert [reason for _, reason in processor.process(["xylophone", "lamp", ""]).rejected] != []
    with pytest.raises(UserError, match="usable text"):
        SMALL.fit_processor(["", 7])
