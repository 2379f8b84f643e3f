from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from crossmod.objectives.matching.word_moments import MomentWordContrast, moment_text, select_words
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce_reference


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5), percent=st.integers(1, 100), seed=st.integers(0, 20)
)
def test_selects_the_stated_number_of_eligible_words(lengths: list[int], percent: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    words, moment = (
        torch.randn(len(lengths), 9, 4, generator=generator),
        torch.randn(len(lengths), 4, generator=generator),
    )
    eligible = torch.arange(9) < torch.tensor(lengths)[:, None]
    selected = select_words(words, eligible, moment, percent / 100)
    assert not (selected & ~eligible).any()
    # Whole numbers, so that the expected count has no rounding of its own.
    assert selected.sum(1).tolist() == [-(-percent * length // 100) for length in lengths]


def test_the_selected_words_are_the_nearest() -> None:
    words, moment = torch.randn(3, 8, 5), torch.randn(3, 5)
    cosine = torch.cosine_similarity(words, moment[:, None], dim=-1)
    selected = select_words(words, torch.ones(3, 8, dtype=torch.bool), moment, 0.5)
    assert (cosine.masked_fill(~selected, 2).amin(1) > cosine.masked_fill(selected, -2).amax(1)).all()


def test_all_words_selected_is_their_weighted_pooling() -> None:
    words, moment, scale = torch.randn(2, 6, 4), torch.randn(2, 4), torch.tensor(5.0)
    everything = select_words(words, torch.ones(2, 6, dtype=torch.bool), moment, 1.0)
    unit = normalize(words, dim=-1)
    weight = (5 * unit @ normalize(moment, dim=-1)[..., None]).softmax(1)
    assert torch.allclose(moment_text(words, everything, moment, scale), normalize((weight * unit).sum(1), dim=-1))


def test_gradients_reach_selected_words_and_neither_others_nor_the_moment() -> None:
    words = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    moment = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(3.0, dtype=torch.float64)
    selected = select_words(words, torch.ones(3, 6, dtype=torch.bool), moment)
    direction = torch.randn(3, 4, dtype=torch.float64)
    found = torch.autograd.grad((moment_text(words, selected, moment, scale) * direction).sum(), words)[0]
    assert (found[selected].abs().sum(-1) > 0).all() and not found[~selected].any()
    assert torch.autograd.gradcheck(lambda w: moment_text(w, selected, moment.detach(), scale), (words,))
    with pytest.raises(RuntimeError, match="unused|not have been used"):
        torch.autograd.grad(moment_text(words, selected, moment, scale).sum(), moment)


def test_the_loss_is_info_nce_of_moments_and_their_words() -> None:
    words, moment, eligible = torch.randn(4, 6, 8), torch.randn(4, 8), torch.ones(4, 6, dtype=torch.bool)
    loss = MomentWordContrast(LogitScale(10.0))
    text = moment_text(words, select_words(words, eligible, moment), moment, torch.tensor(10.0))
    for group in (None, torch.tensor([0, 1, 1, 2])):
        expected = infonce_reference(moment, text, torch.tensor(10.0), group_a=group)
        assert torch.allclose(loss(moment, words, eligible, group).loss, expected, atol=1e-5)
    longer = loss(7 * moment, words, eligible).loss
    assert torch.allclose(longer, loss(moment, words, eligible).loss, atol=1e-5)


def test_texts_without_a_word_are_left_out_and_none_costs_nothing() -> None:
    words, moment = torch.randn(3, 6, 8, requires_grad=True), torch.randn(3, 8)
    eligible = torch.ones(3, 6, dtype=torch.bool)
    eligible[1] = False
    loss, kept = MomentWordContrast(), [0, 2]
    group = torch.tensor([4, 4, 7])
    whole = loss(moment, words, eligible, group).loss
    assert torch.allclose(whole, loss(moment[kept], words[kept], eligible[kept], group[kept]).loss)
    nothing = loss(moment, words, torch.zeros_like(eligible)).loss
    nothing.backward()
    assert float(nothing.detach()) == 0 and words.grad is not None
    zero = moment_text(words.detach(), eligible & False, moment, torch.tensor(1.0))
    assert not zero.any()


def test_ranks_the_words_of_a_moment_after_training_and_not_before() -> None:
    """Two events a recording: the moment of one has to find its word among both, which the caption as a whole hides."""
    generator = torch.Generator().manual_seed(0)
    events, width = 8, 16
    sights = torch.randn(events, width, generator=generator)
    embedding = torch.nn.Embedding(events, width)
    encode = torch.nn.Linear(width, width)
    loss = MomentWordContrast(share=0.4)
    optimiser = torch.optim.Adam([*embedding.parameters(), *encode.parameters()], lr=0.02)

    def accuracy() -> float:
        with torch.no_grad():
            cosine = normalize(encode(sights), dim=-1) @ normalize(embedding.weight, dim=-1).T
            better = cosine.diagonal()[:, None] > cosine
        return float(better[~torch.eye(events, dtype=torch.bool)].double().mean())

    before = accuracy()
    for _ in range(150):
        pair = torch.stack([torch.randperm(events, generator=generator)[:2] for _ in range(16)])
        optimiser.zero_grad()
        outcome = loss(encode(sights[pair[:, 0]]), embedding(pair), torch.ones(16, 2, dtype=torch.bool), pair[:, 0])
        outcome.loss.backward()
        optimiser.step()
    assert before < 0.75 and accuracy() > 0.9


def test_events_that_always_come_together_are_told_apart_and_not_by_the_whole_caption() -> None:
    """Captions "A then B" over fixed pairs of events, from weakly aligned encoders: how far A's word leads B's."""
    events, width = 32, 24

    def lead(selecting: bool, steps: int) -> tuple[float, float]:
        torch.manual_seed(0)
        sights, embedding = torch.randn(events, width), torch.nn.Embedding(events, width)
        encode = torch.nn.Linear(width, width, bias=False)
        with torch.no_grad():
            embedding.weight.copy_(0.6 * sights + torch.randn(events, width))
            encode.weight.copy_(torch.eye(width))
        loss = MomentWordContrast(share=0.4)
        optimiser = torch.optim.Adam([*embedding.parameters(), *encode.parameters()], lr=0.05)
        for _ in range(steps):
            event = torch.randperm(events)
            words = embedding(torch.stack([event - event % 2, event - event % 2 + 1], 1))
            # Without the selection, the moment meets the caption as a whole.
            words = words if selecting else words.mean(1, keepdim=True)
            optimiser.zero_grad()
            loss(encode(sights[event]), words, torch.ones(words.shape[:2], dtype=torch.bool)).loss.backward()
            optimiser.step()
        with torch.no_grad():
            cosine = normalize(encode(sights), dim=-1) @ normalize(embedding.weight, dim=-1).T
            ahead = cosine.diagonal() - cosine[torch.arange(events), torch.arange(events) ^ 1]
        return float((ahead > 0).double().mean()), float(ahead.mean())

    (_, start), (accuracy, selected), (_, whole) = lead(True, 0), lead(True, 150), lead(False, 150)
    assert accuracy > 0.9 and selected > 1.3 * start and whole < 0.7 * start


def test_half_precision_is_scored_in_single_and_poison_is_refused() -> None:
    words, moment = torch.randn(2, 3, 4).half(), torch.randn(2, 4).half()
    eligible = torch.ones(2, 3, dtype=torch.bool)
    assert math.isfinite(float(MomentWordContrast()(moment, words, eligible).loss.detach()))
    words[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        select_words(words, eligible, moment)
    with pytest.raises(ValueError, match="share of words"):
        select_words(words, eligible, moment, 0.0)
    with pytest.raises(ValueError, match="one moment of the words' width"):
        select_words(words, eligible, moment[:1])
