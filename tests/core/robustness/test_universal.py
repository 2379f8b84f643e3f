"""The acceptance checks of universal perturbations, for the direct pattern and for the generator's."""

from __future__ import annotations

import io

import pytest
import torch

from crossmod.errors import UserError
from crossmod.robustness.augment import Noisy
from crossmod.robustness.budget import Budget, random_signs
from crossmod.robustness.generator import ConditionalGenerator, fit_generated
from crossmod.robustness.universal import (
    GuidedBatch,
    UniversalOptions,
    UniversalPerturbation,
    fit_universal,
    paired_batches,
    tensor_batches,
    within,
)
from crossmod_metrics import attack_success, ranks

GROUPS = torch.arange(60)


def _batches(linear, size=20):
    return tensor_batches(linear.encode, linear.values, linear.captions, GROUPS, batch_size=size)


def _success(linear, values):
    before = ranks(linear.encode(linear.values), linear.captions, GROUPS, GROUPS)
    return attack_success(before, ranks(linear.encode(values), linear.captions, GROUPS, GROUPS), (1,)).rate[1]


def _random(budget):
    return random_signs(budget, torch.zeros(1, 256), torch.Generator().manual_seed(0))


def test_a_learned_pattern_breaks_what_random_signs_of_its_size_do_not(linear):
    budget = Budget(0.1875)
    found = fit_universal(_batches(linear), (256,), budget, options=UniversalOptions(epochs=20))
    assert _success(linear, found(linear.values)) > 0.8
    assert _success(linear, linear.values + _random(budget)) < 0.2
    assert float(found.delta.abs().max()) <= 0.1875


def test_the_pattern_is_inside_the_budget_at_every_step(linear):
    budget, seen = Budget(0.07), []

    def encode(values):
        seen.append(values)
        return linear.encode(values)

    batches = tensor_batches(encode, linear.values, linear.captions, GROUPS, batch_size=20)
    torch.manual_seed(0)
    network = ConditionalGenerator((256,), 12, budget, stages=((16, 8),))
    for fit in (
        lambda: fit_universal(batches, (256,), budget, options=UniversalOptions(epochs=4)),
        lambda: fit_generated(batches, network, options=UniversalOptions(epochs=4, rate=2e-2)),
    ):
        seen.clear()
        fit()
        # Of each step the encoder sees a copy without the pattern, then the same with it.
        steps = [
            float((with_ - without).abs().max().detach()) for without, with_ in zip(seen[::2], seen[1::2], strict=True)
        ]
        assert len(steps) == 4 * 3 and 0 < max(steps) <= 0.07 + 1e-6


def test_success_grows_with_epsilon_and_is_exactly_zero_without_one(linear):
    rates = []
    for epsilon in (0.0, 0.06, 0.12, 0.2):
        found = fit_universal(_batches(linear), (256,), Budget(epsilon), options=UniversalOptions(epochs=10))
        if epsilon == 0:
            assert torch.equal(found(linear.values), linear.values)
        rates.append(_success(linear, found(linear.values)))
    assert rates[0] == 0.0 and rates == sorted(rates) and rates[3] > rates[1] + 0.3


def test_the_generators_pattern_beats_random_signs_and_keeps_the_budget(linear):
    torch.manual_seed(0)
    budget = Budget(0.3125)
    network = ConditionalGenerator((256,), 12, budget, stages=((32, 16), (16, 8)))
    found = fit_generated(_batches(linear), network, options=UniversalOptions(epochs=40, rate=2e-3))
    assert _success(linear, found(linear.values)) > _success(linear, linear.values + _random(budget)) + 0.2
    assert float(found.delta.abs().max()) <= 0.3125


def test_one_pattern_whatever_the_batch_and_after_saving(linear):
    found = fit_universal(_batches(linear), (256,), Budget(0.1), options=UniversalOptions(epochs=1))
    together = found(linear.values)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    assert torch.equal(torch.cat([found(part) for part in linear.values[order].split(7)]), together[order])
    file = io.BytesIO()
    torch.save(found.state_dict(), file)
    file.seek(0)
    again = UniversalPerturbation((256,), Budget(0.1))
    again.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(again(linear.values), together)


def test_the_seed_decides_and_the_global_generator_is_left_alone(linear):
    state = torch.random.get_rng_state()
    one, same, other = (
        fit_universal(
            _batches(linear),
            (256,),
            Budget(0.1),
            augmentations=[Noisy(0.1)],
            options=UniversalOptions(epochs=1, seed=s),
        ).delta
        for s in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_result_is_clipped_to_the_range_at_evaluation():
    pattern = UniversalPerturbation((3,), Budget(0.5, 0.0, 1.0))
    pattern.set_(torch.tensor([9.0, -9.0, 0.25]))
    assert pattern.delta.tolist() == [0.5, -0.5, 0.25]
    assert pattern(torch.tensor([[0.75, 0.25, 0.5]])).tolist() == [[1.0, 0.0, 0.75]]


def test_within_takes_an_epsilon_a_band():
    bands = torch.tensor([0.1, 0.2])[:, None]
    assert torch.equal(within(torch.ones(2, 3), Budget(bands)), bands.expand(2, 3))


def test_every_batch_has_the_next_one_as_its_pool():
    named = [GuidedBatch(None, *[torch.full((1, 1), float(n))] * 2, torch.zeros(1), torch.zeros(1)) for n in range(3)]
    pairs = paired_batches(lambda generator: iter(named), torch.Generator())
    assert [(int(a.values), int(b.values)) for a, b in pairs] == [(0, 1), (1, 2), (2, 0)]
    alone = list(paired_batches(lambda generator: iter(named[:1]), torch.Generator()))
    assert alone == [(named[0], named[0])]


def test_a_pass_holds_every_sample_once_with_its_own_guides():
    values, owner = torch.arange(10.0)[:, None], torch.arange(10).repeat(2)
    guides = torch.cat((values, values + 100))
    batches = tensor_batches(lambda x: x, values, guides, owner, batch_size=4)
    seen = []
    for batch in batches(torch.Generator().manual_seed(0)):
        assert torch.equal(batch.guides.remainder(100), batch.values[batch.owner])
        assert torch.equal(batch.conditions(), batch.values + 50)
        assert torch.equal(batch.group.double(), batch.values[:, 0].double())
        seen += batch.values[:, 0].tolist()
    assert sorted(seen) == values[:, 0].tolist() and seen != sorted(seen)


def test_refusals(linear):
    with pytest.raises(UserError, match="cannot take a pattern of shape"):
        UniversalPerturbation((3,), Budget(0.1))(torch.zeros(2, 4))
    with pytest.raises(UserError, match="there is no sample to fit"):
        fit_universal(lambda generator: iter(()), (3,), Budget(0.1))
    with pytest.raises(UserError, match="no group but its own"):
        same = torch.zeros(60, dtype=torch.int64)
        fit_universal(tensor_batches(linear.encode, linear.values, linear.captions, GROUPS, same), (256,), Budget(0.1))
