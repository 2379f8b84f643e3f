"""What a domain's towers promise: one sample's features depend on that sample alone, and every weight learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from crossmod.contracts.batch import Inputs
from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tokens, TokenTower, Tower
from crossmod.objectives.local import uniform_masking
from crossmod.recipe import Recipe
from crossmod.testing.conformance.subject import Conformance

MakeTower = Callable[..., Tower]


class TowerConformance(Conformance):
    """The towers of the small run, freshly initialised.

    Attributes:
        tolerance: Largest difference, absolute and relative, between a sample alone and the same in a batch.
        without_gradient: Patterns of trainable parameters that the features do not depend on, `MODALITY.NAME`.
    """

    tolerance: ClassVar[float] = 1e-5
    without_gradient: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    def make(self, modality: str, recipe: Recipe, processors: Mapping[str, Processor]) -> MakeTower:
        """Makes the modality's tower from a seed, in evaluation mode."""

        def make(seed: int = 0) -> Tower:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                tower = recipe.towers.modalities[modality].build(processors[modality])
            return tower.eval()

        return make

    @pytest.fixture
    def tower(self, make: MakeTower) -> Tower:
        """One such tower."""
        return make()

    @pytest.fixture
    def inputs(self, modality: str, usable: Mapping[str, list[Any]], processors: Mapping[str, Processor]) -> Inputs:
        """A few samples for it."""
        return processors[modality](usable[modality])

    def test_pools_to_its_width(self, tower: Tower, inputs: Inputs, processors: Mapping[str, Processor]) -> None:
        pooled = tower(inputs).pooled
        assert pooled.shape == (len(inputs), tower.width)
        assert pooled.dtype == torch.float32 and bool(torch.isfinite(pooled).all())
        assert any(tower.processor is processor for processor in processors.values())

    def test_tokens_have_its_width_and_a_mask(self, tower: Tower, inputs: Inputs) -> None:
        features = tower(inputs)
        if features.tokens is None:
            assert features.mask is None
            return
        assert features.tokens.ndim == 3
        assert features.tokens.shape[::2] == (len(inputs), tower.width)
        mask = _mask(features)
        assert mask.dtype == torch.bool and mask.shape == features.tokens.shape[:2] and bool(mask.any(1).all())
        assert bool(torch.isfinite(features.tokens[mask]).all())

    def test_a_sample_alone_is_the_sample_in_a_batch(self, tower: Tower, inputs: Inputs) -> None:
        together = tower(inputs)
        for place in range(len(inputs)):
            alone = tower(inputs.take(torch.tensor([place])))
            self._close(alone.pooled[0], together.pooled[place])
            if together.tokens is not None:
                self._close(alone.tokens[_mask(alone)], together.tokens[place][_mask(together)[place]])

    def test_samples_differ(self, tower: Tower, inputs: Inputs) -> None:
        pooled = tower(inputs).pooled
        assert not torch.allclose(pooled, pooled[:1].expand_as(pooled), atol=1e-6), "it ignores what it is given"

    def test_permuting_the_batch_permutes_the_output(self, tower: Tower, inputs: Inputs) -> None:
        order = torch.arange(len(inputs)).roll(1).flip(0)
        self._close(tower(inputs.take(order)).pooled, tower(inputs).pooled[order])

    def test_no_samples_give_no_features(self, tower: Tower, inputs: Inputs) -> None:
        # A batch may lack a modality altogether.
        nothing = inputs.take(torch.empty(0, dtype=torch.int64))
        for mode in (True, False):
            assert tower.train(mode)(nothing).pooled.shape == (0, tower.width)

    def test_every_trainable_parameter_learns(self, modality: str, tower: Tower, inputs: Inputs) -> None:
        if not any(parameter.requires_grad for parameter in tower.parameters()):
            pytest.skip("nothing in this tower trains")
        tower.train()
        outputs = [tower(inputs).pooled]
        if isinstance(tower, TokenTower):
            tokens = tower.tokenise(inputs)
            encoded = tower.encode(tokens, uniform_masking(tokens.mask, 0.5)).tokens
            assert encoded is not None
            outputs.append(encoded)
        generator = torch.Generator().manual_seed(0)
        loss = sum(((output * _like(output, generator)).sum() for output in outputs), torch.zeros(()))
        loss.backward()
        idle = [
            name
            for name, parameter in tower.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not bool(parameter.grad.any()))
        ]
        broken = [
            name
            for name, parameter in tower.named_parameters()
            if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
        ]
        names = [name for name in idle if not any(fnmatch(f"{modality}.{name}", p) for p in self.without_gradient)]
        assert names == [], "the features do not depend on these parameters"
        assert broken == [], "the gradient of these parameters is not finite"

    def test_state_dict_restores_it(self, make: MakeTower, tower: Tower, inputs: Inputs) -> None:
        other = make(1)
        other.load_state_dict(tower.state_dict(), strict=True)
        assert torch.equal(other(inputs).pooled, tower(inputs).pooled)

    def test_the_seed_decides_initialisation_and_dropout(self, make: MakeTower, inputs: Inputs) -> None:
        first, second = make(3).train(), make(3).train()
        assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
        pooled = []
        for tower in (first, second):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(4)
                pooled.append(tower(inputs).pooled)
        assert torch.equal(pooled[0], pooled[1])

    def test_all_tokens_kept_is_the_plain_forward(self, tower: Tower, inputs: Inputs) -> None:
        token_tower, tokens = _tokenised(tower, inputs)
        encoded, plain = token_tower.encode(tokens, torch.ones_like(tokens.mask)), tower(inputs)
        assert plain.tokens is not None and encoded.tokens is not None
        real = _mask(plain)
        self._close(encoded.pooled, plain.pooled)
        self._close(encoded.tokens[real], plain.tokens[real])

    def test_tokens_count_in_the_vocabulary(self, tower: Tower, inputs: Inputs) -> None:
        token_tower, tokens = _tokenised(tower, inputs)
        assert tokens.values.shape[:2] == tokens.targets.shape == tokens.mask.shape and tokens.values.ndim == 3
        assert tokens.mask.dtype == torch.bool and tokens.targets.dtype == torch.int64 and bool(tokens.mask.any())
        chosen = tokens.targets[tokens.mask]
        assert int(chosen.min()) >= 0 and int(chosen.max()) < token_tower.vocabulary

    def test_hidden_tokens_do_not_leak(self, tower: Tower, inputs: Inputs) -> None:
        token_tower, tokens = _tokenised(tower, inputs)
        keep = uniform_masking(tokens.mask, 0.5, torch.Generator().manual_seed(0))
        other = torch.where(keep[..., None], tokens.values, tokens.values + 3.0)
        # Targets are what is asked for: an encoder that read them would answer by copying.
        targets = torch.where(keep, tokens.targets, (tokens.targets + 1) % token_tower.vocabulary)
        hidden = token_tower.encode(tokens, keep)
        changed = token_tower.encode(tokens._replace(values=other, targets=targets), keep)
        assert hidden.tokens is not None and changed.tokens is not None
        real = _mask(hidden)
        assert torch.equal(hidden.pooled, changed.pooled)
        assert torch.equal(hidden.tokens[real], changed.tokens[real])
        whole = token_tower.encode(tokens, torch.ones_like(keep))
        assert not torch.allclose(hidden.pooled, whole.pooled, atol=1e-7), "hiding tokens changes nothing"

    def _close(self, found: Tensor, expected: Tensor) -> None:
        assert_close(found, expected, atol=self.tolerance, rtol=self.tolerance)


def _tokenised(tower: Tower, inputs: Inputs) -> tuple[TokenTower, Tokens]:
    if not isinstance(tower, TokenTower):
        pytest.skip(f"{type(tower).__name__} offers no tokens")
    return tower, tower.tokenise(inputs)


def _mask(features: Features) -> Tensor:
    assert features.tokens is not None
    return features.mask if features.mask is not None else features.tokens.new_ones(features.tokens.shape[:2]).bool()


def _like(tensor: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(tensor.shape, generator=generator)
