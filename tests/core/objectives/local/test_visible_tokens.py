from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.visible_tokens import gather_visible, scatter_visible


@given(batch=st.integers(0, 4), length=st.integers(0, 9), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_scattering_undoes_gathering(batch: int, length: int, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(batch, length, 3, generator=generator)
    visible = torch.rand(batch, length, generator=generator) < share
    tokens = gather_visible(values, visible)
    assert torch.equal(tokens.mask.sum(1), visible.sum(1))
    for row in range(batch):
        places = tokens.place[row][tokens.mask[row]]
        assert torch.equal(places, visible[row].nonzero()[:, 0]), "the order is kept"
    mask_token = torch.tensor([7.0, 8.0, 9.0])
    whole = scatter_visible(tokens.values, tokens, mask_token, length)
    assert torch.equal(whole, torch.where(visible[..., None], values, mask_token))


def test_the_gradient_of_a_hidden_token_is_zero_and_of_a_visible_one_passes() -> None:
    values = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    token = torch.randn(3, dtype=torch.float64, requires_grad=True)
    visible = torch.tensor([[True, False, True, False, True], [False, False, True, False, False]])

    def there_and_back(values: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        tokens = gather_visible(values, visible)
        return scatter_visible(tokens.values.square(), tokens, token, 5)

    assert torch.autograd.gradcheck(there_and_back, (values, token))


def test_a_mask_of_other_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        gather_visible(torch.zeros(2, 3, 4), torch.ones(2, 4, dtype=torch.bool))
