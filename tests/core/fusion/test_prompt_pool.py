import math

import pytest
import torch

from crossmod.fusion.prompt_pool import PromptPool, StandIns


def test_prompts_are_the_rows_that_score_highest_best_first():
    pool, tokens = PromptPool(20, 6, 4), torch.randn(3, 5, 6)
    prompts, picked = pool(tokens)
    scores = tokens.mean(1) @ pool.rows.T
    assert torch.equal(picked, scores.argsort(1, descending=True)[:, :4])
    assert torch.equal(prompts, pool.rows[picked])
    assert all(len(set(row)) == 4 for row in picked.tolist())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_picks_rows_of_a_pool_kept_in_single(dtype):
    pool, tokens = PromptPool(6, 8, 2), torch.eye(8)[:3, None].to(dtype)
    pool.rows.data.copy_(torch.eye(8)[:6] + 0.5 * torch.eye(8)[1:7])
    prompts, picked = pool(tokens)
    assert torch.equal(picked[:, 0], torch.arange(3)) and torch.equal(prompts, pool.rows[picked])


def test_padding_and_neighbours_do_not_change_the_picks():
    pool, tokens = PromptPool(20, 6, 4), torch.randn(3, 5, 6)
    mask = torch.arange(5) < torch.tensor([[5], [2], [3]])
    _, picked = pool(tokens.masked_fill(~mask[..., None], torch.nan), mask)
    for row in range(3):
        assert torch.equal(picked[row], pool(tokens[row : row + 1, mask[row]])[1][0])


def test_exactly_the_picked_rows_have_gradient():
    pool, other = PromptPool(20, 6, 4), PromptPool(20, 6, 3)
    tokens = torch.randn(2, 5, 6)
    a, mask_a, b, mask_b = StandIns(other, pool)(tokens, None)
    assert torch.equal(a, tokens) and mask_a is None and mask_b is None and b.shape == (2, 4, 6)
    (b * torch.randn_like(b)).sum().backward()
    picked = pool(tokens)[1].unique()
    learned = pool.rows.grad.abs().sum(1).nonzero()[:, 0]
    assert torch.equal(learned, picked) and other.rows.grad is None


def test_the_three_kinds_of_input_have_one_shape_and_a_pair_is_left_alone():
    stand_ins = StandIns(PromptPool(20, 6, 5), PromptPool(20, 8, 4, query_width=6))
    a, b, mask_b = torch.randn(2, 5, 6), torch.randn(2, 4, 8), torch.tensor([[True] * 4, [True, False, True, False]])
    whole = stand_ins(a, b, None, mask_b)
    assert whole[0] is a and whole[2] is b and whole[3] is mask_b
    assert stand_ins(a, None)[2].shape == b.shape
    from_b = StandIns(PromptPool(20, 6, 5, query_width=8), PromptPool(20, 8, 4))(None, b, None, mask_b)
    assert from_b[0].shape == a.shape and from_b[1] is None and from_b[3] is mask_b
    with pytest.raises(ValueError, match="neither modality"):
        stand_ins(None, None)


def test_a_pool_of_just_the_count_is_static():
    pool, tokens = PromptPool(4, 6, 4), torch.randn(5, 3, 6)
    prompts, picked = pool(tokens)
    scores = (prompts @ tokens.mean(1)[..., None])[..., 0]
    assert bool((scores.diff(dim=1) <= 0).all()), "best first"
    assert torch.equal(picked.sort(1).values, torch.arange(4).expand(5, -1))


def test_cosine_is_not_drawn_to_large_rows():
    dot, cosine = PromptPool(50, 6, 1), PromptPool(50, 6, 1, metric="cosine")
    rows = torch.randn(50, 6)
    rows[7] *= 100
    tokens = torch.randn(200, 1, 6)
    picks = []
    for pool in (dot, cosine):
        pool.rows.data.copy_(rows)
        picks.append(pool(tokens)[1])
    assert (picks[0] == 7).float().mean() > 0.4 > 0.2 > (picks[1] == 7).float().mean()
    assert dot.usage(picks[0]).evenness < cosine.usage(picks[1]).evenness


def test_usage_of_even_and_of_single_picks():
    pool = PromptPool(4, 6, 2)
    even = pool.usage(torch.tensor([[0, 1], [2, 3]]))
    assert even.share == 1.0 and math.isclose(even.evenness, 1.0)
    single = pool.usage(torch.tensor([[2, 2]]))
    assert single.share == 0.25 and single.evenness == 0.0
    half = pool.usage(torch.tensor([[0, 1]]))
    assert math.isclose(half.evenness, math.log(2) / math.log(4))
    assert pool.usage(torch.empty(0, 2, dtype=torch.long)) == (0.0, 0.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="5 prompts cannot be picked from a pool of 4"):
        PromptPool(4, 6, 5)
    with pytest.raises(ValueError, match="'euclid'"):
        PromptPool(4, 6, 2, metric="euclid")
    with pytest.raises(ValueError, match="not finite"):
        PromptPool(4, 6, 2)(torch.full((1, 2, 6), torch.inf))
    assert PromptPool(4, 6, 2)(torch.empty(0, 2, 6))[0].shape == (0, 2, 6)
