import math

import pytest
import torch
from torch import nn

from crossmod.fusion.token_pool import TokenPoolReplacer, TokenReconstructionHead, reconstruction_loss

ASSIGN = ["hungarian", "nearest"]


@pytest.mark.parametrize("assign", ASSIGN)
@pytest.mark.parametrize("length", [1, 3, 4, 10])
def test_a_quarter_stays_to_the_bit(assign, length):
    tokens = torch.randn(3, length, 6, requires_grad=True)
    out = TokenPoolReplacer(6, size=12, assign=assign)(tokens)
    unit = nn.functional.normalize(tokens, dim=-1)
    assert out.hidden.sum(1).tolist() == [length - length // 4] * 3
    assert torch.equal(out.tokens[~out.hidden], unit[~out.hidden]) and torch.equal(out.target, unit)
    assert not out.target.requires_grad
    assert torch.equal(out.picked == -1, ~out.hidden)


def test_shares_that_meet_whole_numbers_and_real_lengths_count_exactly():
    mask = torch.arange(100) < torch.tensor([[100], [50], [0]])
    hidden = TokenPoolReplacer(4, size=8, kept=0.29, assign="nearest")(torch.randn(3, 100, 4), mask).hidden
    assert hidden.sum(1).tolist() == [71, 50 - 14, 0] and not (hidden & ~mask).any()


def test_nearest_is_the_closest_row_and_may_repeat():
    replacer, tokens = TokenPoolReplacer(6, size=3, assign="nearest"), torch.randn(2, 8, 6)
    out = replacer(tokens)
    closest = (out.target[:, :, None] - replacer.rows).norm(dim=-1).argmin(-1)
    assert torch.equal(out.picked[out.hidden], closest[out.hidden])
    assert torch.equal(out.tokens[out.hidden], replacer.rows[closest[out.hidden]])


def test_hungarian_is_one_to_one_and_no_dearer_than_greedy_without_repeats():
    replacer, tokens = TokenPoolReplacer(6, size=20), torch.randn(2, 16, 6)
    out = replacer(tokens)
    for row in range(2):
        picked, chosen = out.picked[row, out.hidden[row]], out.target[row, out.hidden[row]]
        assert len(picked.unique()) == len(picked) == 12
        distances = torch.cdist(chosen, replacer.rows.detach())
        free, greedy = distances.clone(), 0.0
        for index in range(len(picked)):
            value, column = free[index].min(0)
            greedy += value.item()
            free[:, column] = torch.inf
        assert distances[torch.arange(12), picked].sum().item() <= greedy + 1e-5


@pytest.mark.parametrize("assign", ASSIGN)
def test_only_picked_rows_learn_and_hidden_tokens_do_not(assign):
    replacer, tokens = TokenPoolReplacer(6, size=20, assign=assign), torch.randn(2, 8, 6, requires_grad=True)
    out = replacer(tokens)
    (out.tokens * torch.randn_like(out.tokens)).sum().backward()
    picked = out.picked[out.hidden].unique()
    assert torch.equal(replacer.rows.grad.abs().sum(1).nonzero()[:, 0], picked)
    assert not tokens.grad[out.hidden].any() and tokens.grad[~out.hidden].abs().sum(1).all()


@pytest.mark.parametrize("assign", ASSIGN)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_kind_and_a_single_pool_learns(assign, dtype):
    replacer, tokens = TokenPoolReplacer(6, size=20, assign=assign), torch.randn(2, 8, 6).to(dtype)
    out = replacer(tokens)
    assert out.tokens.dtype == out.target.dtype == dtype
    loss = reconstruction_loss(out.tokens, out.target, out.hidden)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and replacer.rows.grad.any()


def test_a_draw_is_repeated_by_its_generator_and_covers_all_places():
    replacer, tokens = TokenPoolReplacer(4, size=8, assign="nearest"), torch.randn(400, 8, 4)
    first, second = (replacer(tokens, generator=torch.Generator().manual_seed(5)).hidden for _ in range(2))
    assert torch.equal(first, second)
    # 400 draws of probability 3/4: a deviation is 0.022.
    assert (first.float().mean(0) - 0.75).abs().max() < 0.1


def test_a_pool_that_is_too_small_or_a_token_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="12 tokens of a sample cannot each have their own of a pool of 11"):
        TokenPoolReplacer(4, size=11)(torch.randn(1, 16, 4))
    spoiled = torch.randn(1, 4, 4)
    spoiled[0, 2] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        TokenPoolReplacer(4, size=8)(spoiled)
    assert TokenPoolReplacer(4, size=8)(spoiled, torch.tensor([[True, True, False, True]])).hidden.sum() == 3
    assert TokenPoolReplacer(4, size=8)(torch.empty(0, 4, 4)).tokens.shape == (0, 4, 4)
    with pytest.raises(ValueError, match=r"kept=1\.5"):
        TokenPoolReplacer(4, kept=1.5)


def test_loss_is_smooth_l1_with_a_narrow_middle():
    mask = torch.ones(1, 1, dtype=torch.bool)
    for distance in (0.0, 0.004, 0.01, 0.7):
        expected = 0.5 * distance**2 / 0.01 if distance < 0.01 else distance - 0.005
        loss = reconstruction_loss(torch.full((1, 1, 3), distance), torch.zeros(1, 1, 3), mask)
        assert math.isclose(loss.item(), expected, rel_tol=1e-4, abs_tol=1e-9)


def test_loss_counts_the_masked_tokens_alone_and_is_attached_without_any():
    rebuilt, target = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, 4)
    mask = torch.tensor([[True, False, True], [False, False, True]])
    expected = torch.stack(
        [reconstruction_loss(rebuilt[mask][i][None, None], target[mask][i][None, None], mask[:1, :1]) for i in range(3)]
    )
    torch.testing.assert_close(reconstruction_loss(rebuilt, target, mask), expected.mean())
    nothing = reconstruction_loss(rebuilt, target, torch.zeros_like(mask))
    nothing.backward()
    assert nothing.item() == 0 and not rebuilt.grad.any()
    double = rebuilt.detach().double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: reconstruction_loss(x, target.double(), mask), (double,))


def test_hidden_tokens_are_rebuilt_from_neighbouring_copies():
    def sample():
        content = nn.functional.normalize(torch.randn(32, 1, 8), dim=-1)
        return content.expand(-1, 8, -1)

    replacer, head = TokenPoolReplacer(8, size=32, assign="nearest"), TokenReconstructionHead(8, 2, 8)
    optimiser = torch.optim.Adam([*replacer.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(150):
        out = replacer(sample())
        loss = reconstruction_loss(head(out.tokens), out.target, torch.ones_like(out.hidden))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    out = replacer(sample())
    mean = reconstruction_loss(out.target.mean((0, 1)).expand_as(out.target), out.target, out.hidden)
    assert reconstruction_loss(head(out.tokens), out.target, out.hidden) < 0.7 * mean
    with pytest.raises(ValueError, match="9 states"):
        head(torch.randn(1, 9, 8))
