from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossmod.objectives.local.maskers import (
    block_masking,
    group_masking,
    hidden_counts,
    span_masking,
    uniform_masking,
)

LENGTHS = st.lists(st.integers(0, 24), min_size=0, max_size=6)
SEED = st.integers(0, 1000)


def _mask(lengths: list[int], width: int = 24) -> Tensor:
    return torch.arange(width) < torch.tensor(lengths, dtype=torch.int64)[:, None]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(lengths=LENGTHS, share=st.floats(0, 0.99), seed=SEED, rounding=st.sampled_from(["visible", "hidden", "nearest"]))
def test_uniform_hides_the_stated_count_of_real_tokens(lengths, share, seed, rounding) -> None:
    mask = _mask(lengths)
    keep = uniform_masking(mask, share, _generator(seed), rounding)
    assert (keep | mask).all(), "padding is never hidden"
    assert torch.equal((~keep).sum(1), hidden_counts(mask.sum(1), share, rounding))
    assert ((keep & mask).any(1) == mask.any(1)).all(), "a row with tokens keeps one"


def test_counts_are_those_of_the_papers() -> None:
    real = torch.tensor([196])
    assert hidden_counts(real, 0.75).tolist() == [147]
    assert hidden_counts(torch.tensor([64]), 0.6, "hidden").tolist() == [38]
    assert hidden_counts(torch.tensor([20, 3, 1]), 0.15, "nearest").tolist() == [3, 1, 0]
    for length in range(1, 300):
        for percent in (25, 50, 60, 75, 90):
            expected = length - max(1, length * (100 - percent) // 100)
            assert hidden_counts(torch.tensor(length), percent / 100).item() == expected


def test_a_seed_repeats_a_mask_and_samples_differ() -> None:
    mask = _mask([24] * 2)
    first, again = (uniform_masking(mask, 0.75, _generator(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])


def test_every_token_is_hidden_equally_often() -> None:
    share = (~uniform_masking(_mask([10] * 4000, 10), 0.3, _generator(0))).double().mean(0)
    assert (share - 0.3).abs().max() < 0.03  # four standard errors of 4,000 draws


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_leaves_nothing_visible_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share of hidden tokens"):
        uniform_masking(_mask([4]), share)


@given(lengths=LENGTHS, share=st.floats(0, 0.99), seed=SEED)
def test_block_hides_the_neighbours_of_one_token(lengths, share, seed) -> None:
    mask = _mask(lengths)
    places = torch.rand(len(lengths), 24, 3, generator=_generator(seed), dtype=torch.float64)
    keep = block_masking(mask, places, share, _generator(seed + 1))
    assert torch.equal((~keep).sum(1), hidden_counts(mask.sum(1), share, "hidden"))
    assert not (~keep & ~mask).any()
    for row in range(len(lengths)):
        hidden, visible = places[row][~keep[row]], places[row][keep[row] & mask[row]]
        if len(hidden) and len(visible):
            # Some hidden token is the centre: all hidden ones are nearer to it than any visible one.
            inside, outside = torch.cdist(hidden, hidden).amax(1), torch.cdist(hidden, visible).amin(1)
            assert (inside <= outside + 1e-9).any()


@given(lengths=LENGTHS, share=st.floats(0, 1), span=st.integers(1, 8), seed=SEED)
def test_spans_are_runs_of_at_least_their_length(lengths, share, span, seed) -> None:
    mask = _mask(lengths)
    hidden = ~span_masking(mask, share, span, _generator(seed))
    assert not (hidden & ~mask).any()
    for row, length in zip(hidden.tolist(), lengths, strict=True):
        text = "".join("x" if cell else "." for cell in row[:length])
        assert all(len(run) >= min(span, length) for run in text.split(".") if run)
        assert len(text) == 0 or share == 0 or "x" in text


def test_spans_count_real_tokens_across_a_gap() -> None:
    mask = torch.tensor([[True, True, False, False, True, True]]).repeat(50, 1)
    hidden = ~span_masking(mask, 0.5, 2, _generator(0))
    assert set(hidden[:, mask[0]].sum(1).tolist()) <= {2, 3, 4}
    assert (hidden[:, 1] & hidden[:, 4]).any(), "a span runs on behind the gap"


def test_spans_of_speech_hide_about_half_of_the_frames() -> None:
    # 8% of the frames begin a span of 10: overlaps leave 1 - (1 - 0.08)^10, about 0.57.
    hidden = ~span_masking(_mask([1000] * 40, 1000), 0.8, 10, _generator(0))
    assert abs(float(hidden.double().mean()) - 0.57) < 0.03


@given(lengths=LENGTHS, share=st.floats(0, 1), seed=SEED)
def test_groups_are_hidden_whole(lengths, share, seed) -> None:
    mask = _mask(lengths)
    group = torch.randint(-1, 5, mask.shape, generator=_generator(seed))
    keep = group_masking(mask, group, share, _generator(seed))
    for row in range(len(lengths)):
        member = mask[row] & (group[row] >= 0)
        numbers = group[row][member].unique().tolist()
        parts = [keep[row][member & (group[row] == number)] for number in numbers]
        assert all(bool(part.all()) or not bool(part.any()) for part in parts)
        hidden = sum(not bool(part.any()) for part in parts)
        wanted = max(int(torch.tensor(len(numbers) * share, dtype=torch.float64).round()), share > 0)
        assert hidden == (min(wanted, len(numbers)))
        assert keep[row][~member].all()


def test_a_tube_is_hidden_in_every_frame() -> None:
    tubes = torch.arange(16).repeat(4)[None]
    keep = group_masking(torch.ones_like(tubes, dtype=torch.bool), tubes, 0.75, _generator(0)).view(4, 16)
    assert (keep == keep[0]).all() and int(keep[0].sum()) == 4


def test_nothing_real_and_no_rows_hide_nothing() -> None:
    for mask in (_mask([0, 0]), _mask([]), torch.ones(3, 0, dtype=torch.bool)):
        group = torch.zeros(mask.shape, dtype=torch.int64)
        assert uniform_masking(mask, 0.5).all()
        assert block_masking(mask, torch.zeros(*mask.shape, 2), 0.5).all()
        assert span_masking(mask, 0.5, 3).all()
        assert group_masking(mask, group, 0.5).all()


def test_an_expanded_mask_serves() -> None:
    mask = torch.ones(1, 12, dtype=torch.bool).expand(5, 12)
    assert (~uniform_masking(mask, 0.5, _generator(0))).sum().item() == 30
