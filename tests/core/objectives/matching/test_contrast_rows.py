from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from crossmod.objectives.matching.contrast_rows import row_contrast, same_group, share_of_mean

SCALE = torch.tensor(6.0, dtype=torch.float64)


def _rows(*shape: int) -> torch.Tensor:
    return normalize(torch.randn(*shape, 4, dtype=torch.float64), dim=-1)


def test_without_exceptions_is_cross_entropy() -> None:
    query, keys = _rows(3), _rows(5)
    positive = torch.zeros(3, 5, dtype=torch.bool)
    positive[range(3), [4, 0, 2]] = True
    expected = cross_entropy(6 * query @ keys.T, torch.tensor([4, 0, 2]), reduction="none")
    assert torch.allclose(row_contrast(3 * query, keys / 2, SCALE, positive), expected)


def test_follows_its_sum_over_exceptions_written_out() -> None:
    query, keys, own = _rows(3), _rows(4), _rows(3, 2)
    positive = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]).bool()
    forbidden = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]]).bool()
    own_mask = torch.tensor([[1, 1], [0, 1], [0, 0]]).bool()
    found = row_contrast(query, keys, SCALE, positive, forbidden=forbidden, own_negatives=own, own_mask=own_mask)
    for i in range(3):
        allowed = [j for j in range(4) if positive[i, j] or not forbidden[i, j]]
        total = sum((6 * query[i] @ keys[j]).exp() for j in allowed)
        total = total + sum((6 * query[i] @ own[i, r]).exp() for r in range(2) if own_mask[i, r])
        terms = [-(6 * query[i] @ keys[j] - total.log()) for j in range(4) if positive[i, j]]
        assert torch.allclose(found[i], sum(terms) / len(terms))


def test_gradients_are_those_of_finite_differences() -> None:
    query, keys, own = (rows.requires_grad_() for rows in (_rows(2), _rows(3), _rows(2, 2)))
    positive, forbidden = torch.eye(2, 3, dtype=torch.bool), torch.tensor([[0, 0, 1], [0, 0, 0]]).bool()
    mask = torch.tensor([[1, 0], [1, 1]]).bool()

    def loss(q: torch.Tensor, k: torch.Tensor, o: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return row_contrast(q, k, scale, positive, forbidden=forbidden, own_negatives=o, own_mask=mask)

    assert torch.autograd.gradcheck(loss, (query, keys, own, SCALE.clone().requires_grad_()))


def test_half_precision_at_the_largest_scale_stays_finite() -> None:
    rows = torch.randn(4, 4).half()
    loss = row_contrast(rows, rows, torch.tensor(100.0), torch.eye(4, dtype=torch.bool))
    assert loss.dtype == torch.float32 and bool(torch.isfinite(loss).all())


def test_own_rows_are_positives_of_their_group() -> None:
    same = same_group(torch.tensor([5, 6]), torch.tensor([6, 5, 6, 9]), start=1)
    assert same.tolist() == [[False, True, False, False], [True, False, True, False]]


def test_alone_a_share_of_the_mean_is_the_mean() -> None:
    assert float(share_of_mean(torch.tensor([1.0, 3.0]))) == 2
    assert float(share_of_mean(torch.zeros(0))) == 0


def test_refuses_rows_without_a_positive_and_other_shapes() -> None:
    with pytest.raises(ValueError, match="row 1 has no positive key"):
        row_contrast(_rows(2), _rows(2), SCALE, torch.tensor([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="2 rows and 3 keys"):
        row_contrast(_rows(2), _rows(3), SCALE, torch.eye(2, dtype=torch.bool))
