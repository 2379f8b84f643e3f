"""The acceptance checks of the set-level guidance attack, on encoders whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crossmod.errors import UserError
from crossmod.robustness.augment import Noisy, Rescaled
from crossmod.robustness.budget import Budget, random_signs, random_start
from crossmod.robustness.set_guided import guide_sums, set_guided_pgd
from crossmod.robustness.victim import attackable
from crossmod_metrics import attack_success, ranks, transfer_table


def _each(samples):
    return torch.arange(samples)


@settings(max_examples=25, deadline=None)
@given(steps=st.integers(0, 12), epsilon=st.floats(0, 0.25, width=32), seed=st.integers(0, 99))
def test_the_result_is_inside_the_budget_and_the_range_at_every_number_of_steps(steps, epsilon, seed):
    clean = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    weight = torch.randn(36, 4, generator=torch.Generator().manual_seed(seed + 1))
    found = set_guided_pgd(
        lambda x: x.flatten(1) @ weight,
        clean,
        torch.randn(3, 4),
        _each(3),
        Budget(epsilon, 0.0, 1.0),
        augmentations=[Rescaled(0.5, 0.05, 0.0, 1.0)],
        steps=steps,
        seed=seed,
    )
    assert bool(((found - clean).abs() <= torch.tensor(epsilon)).all())
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    if epsilon == 0:
        assert torch.equal(found, clean)


@pytest.mark.parametrize("step_share", [0.25, 1.0])
def test_the_similarity_of_a_linear_encoder_falls_by_epsilon_times_the_l1_norm(step_share):
    weight = torch.randn(40, 1, dtype=torch.float64)
    clean = torch.randn(5, 40, dtype=torch.float64)
    epsilon, guides = 0.125, torch.ones(5, 1, dtype=torch.float64)
    found = set_guided_pgd(
        lambda x: x @ weight, clean, guides, _each(5), Budget(epsilon), steps=8, step_share=step_share
    )
    fall = (clean @ weight - found @ weight)[:, 0]
    assert torch.allclose(fall, epsilon * weight.abs().sum().expand(5), atol=1e-9)


def test_two_opposite_captions_leave_the_sample_at_its_random_start():
    clean, budget = torch.randn(4, 8), Budget(0.1)
    caption = torch.randn(4, 3)
    found = set_guided_pgd(
        lambda x: x[:, :3], clean, torch.cat((caption, -caption)), _each(4).repeat(2), budget, seed=7
    )
    assert torch.equal(found, random_start(budget, clean, torch.Generator().manual_seed(7)))


def test_with_one_caption_and_no_copies_it_is_plain_projected_ascent():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3))
    clean, guides, epsilon = torch.randn(4, 6), torch.randn(4, 3), 0.2
    found = set_guided_pgd(network, clean, guides, _each(4), Budget(epsilon), steps=5, seed=1)
    point = clean + epsilon * (2 * torch.rand(4, 6, generator=torch.Generator().manual_seed(1)) - 1)
    for _ in range(5):
        point = point.detach().requires_grad_(True)
        loss = -torch.stack([network(point[i]) @ guides[i] for i in range(4)]).mean()
        loss.backward()
        point = (point + epsilon / 4 * point.grad.sign()).detach()
        point = torch.min(torch.max(point, clean - epsilon), clean + epsilon)
    assert torch.allclose(found, point, atol=1e-6)


def test_captions_of_a_set_add_up():
    clean, captions = torch.randn(3, 5), torch.randn(6, 5)
    owner = torch.tensor([0, 1, 2, 2, 1, 1])
    several = set_guided_pgd(lambda x: x.sin(), clean, captions, owner, Budget(0.3), seed=4)
    summed = set_guided_pgd(lambda x: x.sin(), clean, guide_sums(captions, owner, 3), _each(3), Budget(0.3), seed=4)
    assert torch.equal(several, summed)


def test_the_model_is_as_before_and_the_same_seed_gives_the_same_result():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    clean, guides = torch.randn(4, 6), torch.randn(4, 3)
    results = []
    for seed in (3, 3, 4):
        with attackable(model):
            results.append(
                set_guided_pgd(
                    model, clean, guides, _each(4), Budget(0.2), augmentations=[Noisy(0.1)], steps=2, seed=seed
                )
            )
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())


def _success(linear, values):
    groups = torch.arange(len(linear.values))
    before = ranks(linear.encode(linear.values), linear.captions, groups, groups)
    return attack_success(before, ranks(linear.encode(values), linear.captions, groups, groups), (1,)).rate[1]


def test_success_grows_with_epsilon_and_beats_noise_and_shuffled_guidance(linear):
    found, agreement = [], []
    for epsilon in (0.0, 0.03, 0.06, 0.12):
        budget, clean = Budget(epsilon), linear.values
        attacked = set_guided_pgd(linear.encode, clean, linear.captions, _each(60), budget)
        other = set_guided_pgd(linear.encode, clean, linear.captions.roll(31, 0), _each(60), budget)
        noise = random_signs(budget, clean, torch.Generator().manual_seed(0))
        found.append([_success(linear, values) for values in (attacked, other, noise)])
        agreement.append([float((linear.encode(v) * linear.captions).sum(1).mean()) for v in (attacked, other, noise)])
    assert found[0] == [0.0, 0.0, 0.0] and len(set(agreement[0])) == 1
    assert found[1][0] < found[2][0] < found[3][0] and found[3][0] == 1.0
    for attacked, other, noise in found[1:]:
        assert attacked > other > noise
    assert found[2][0] > found[2][2] + 0.5
    for attacked, other, noise in agreement[1:]:
        assert agreement[0][0] - attacked > 1.1 * (agreement[0][0] - other) > agreement[0][0] - noise


def _transfer(models, budget):
    """Attack success of each model's inputs, and of random signs, on each model."""
    groups = _each(60)
    values = next(iter(models.values())).values
    clean = {name: ranks(m.encode(values), m.captions, groups, groups) for name, m in models.items()}
    made = {name: set_guided_pgd(m.encode, values, m.captions, groups, budget) for name, m in models.items()}
    made["noise"] = random_signs(budget, values, torch.Generator().manual_seed(0))
    return transfer_table(
        clean,
        {
            source: {name: ranks(m.encode(moved), m.captions, groups, groups) for name, m in models.items()}
            for source, moved in made.items()
        },
    )


def test_between_encoders_that_read_different_directions_an_attack_is_no_more_than_noise(linear):
    """Both subspaces hold the same meaning at the same strength, so neither encoder is the weaker one."""
    directions = torch.linalg.qr(
        torch.cat((linear.weight, torch.randn(256, 12, generator=torch.Generator().manual_seed(9))), 1)
    ).Q
    values = torch.cat((linear.captions, linear.captions), 1) @ directions.T
    models = {
        "first": replace(linear, weight=directions[:, :12], values=values),
        "second": replace(linear, weight=directions[:, 12:], values=values),
    }
    table = _transfer(models, Budget(0.08))
    assert table.rate.shape == (3, 2)
    for column, name in enumerate(models):
        noise = float(table.rate[2, column])
        assert table.white_box()[name] > 0.7
        assert table.white_box()[name] > table.mean_transfer(name) + 0.5
        (other,) = set(models) - {name}
        assert table.mean_transfer(other) < noise + 0.15


def test_an_encoder_that_reads_the_same_content_faintly_falls_to_transfer_more_than_the_source_itself(linear):
    """Success compares the attacks on one target; a weak target makes noise of the same budget strong as well.

    Random directions hold a fourth of the content of the first encoder's, so every budget is four times as large.
    """
    other = torch.linalg.qr(torch.randn(256, 12, generator=torch.Generator().manual_seed(8))).Q
    faint = replace(linear, weight=other, captions=torch.nn.functional.normalize(linear.values @ other, dim=1))
    assert 3.5 < float((linear.values @ linear.weight).norm() / (linear.values @ other).norm()) < 5
    table = _transfer({"source": linear, "faint": faint}, Budget(0.06))
    (on_source, on_faint), (_, faint_white_box), (noise_source, noise_faint) = table.rate.tolist()
    assert on_faint > on_source and noise_faint > noise_source + 0.2
    assert on_source > noise_source + 0.5 and faint_white_box == 1.0
    assert faint_white_box > on_faint > noise_faint + 0.1


def test_ten_steps_find_most_of_what_two_hundred_find(linear):
    budget, captions = Budget(0.06), linear.captions
    agreement = [
        float((linear.encode(values) * captions).sum(1).mean())
        for values in (
            linear.values,
            *(set_guided_pgd(linear.encode, linear.values, captions, _each(60), budget, steps=n) for n in (10, 200)),
        )
    ]
    clean, ten, many = agreement
    assert many < ten < clean
    assert clean - ten > 0.8 * (clean - many)


@pytest.mark.parametrize(
    ("clean", "owner", "said"),
    [
        (torch.zeros(0, 3), [], "nothing to attack"),
        (torch.zeros(2, 3), [0, 0], "sample 1 has no guide"),
        (torch.zeros(2, 3), [0, 2], "guides belong to samples 0 to 2 of 2"),
        (torch.full((2, 3), float("nan")), [0, 1], "the attacked samples hold 6 NaN"),
        (torch.zeros(2, 3, dtype=torch.float16), [0, 1], "attack it in float32"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), [0, 1], "attack it in float32"),
        (torch.zeros(2, 3, dtype=torch.int64), [0, 1], "attack it in float32"),
        (torch.full((2, 3), 9.0), [0, 1], "outside its range"),
    ],
)
def test_refuses_what_cannot_be_attacked(clean, owner, said):
    guides = torch.zeros(len(owner), 3)
    with pytest.raises(UserError, match=said):
        set_guided_pgd(lambda x: x, clean, guides, torch.tensor(owner, dtype=torch.int64), Budget(0.1, -1.0, 1.0))


def test_refuses_bad_guides_and_steps():
    clean = torch.zeros(1, 3)
    with pytest.raises(UserError, match="the guides hold"):
        set_guided_pgd(lambda x: x, clean, torch.full((1, 3), float("inf")), torch.tensor([0]), Budget(0.1))
    with pytest.raises(UserError, match="2 guides and 1 owners"):
        set_guided_pgd(lambda x: x, clean, torch.zeros(2, 3), torch.tensor([0]), Budget(0.1))
    with pytest.raises(UserError, match="-1 steps"):
        set_guided_pgd(lambda x: x, clean, torch.zeros(1, 3), torch.tensor([0]), Budget(0.1), steps=-1)


def test_strided_and_expanded_input_gives_the_same_result():
    base = torch.randn(6, 4)
    guides = torch.randn(4, 6)
    contiguous = set_guided_pgd(lambda x: x.cos(), base.T.contiguous(), guides, _each(4), Budget(0.1))
    assert torch.equal(set_guided_pgd(lambda x: x.cos(), base.T, guides, _each(4), Budget(0.1)), contiguous)
    one = torch.randn(1, 6).expand(4, 6)
    assert set_guided_pgd(lambda x: x.cos(), one, guides, _each(4), Budget(0.1)).shape == (4, 6)
