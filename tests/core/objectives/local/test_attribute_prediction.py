from __future__ import annotations

import pytest
import torch

from crossmod.objectives.local.attribute_prediction import AttributePrediction, find_phrases
from crossmod.objectives.local.maskers import group_masking

PHRASES = [[5, 6], [7], [5, 6, 8]]


def test_longer_phrases_come_first_and_occurrences_are_numbered() -> None:
    ids = torch.tensor([[1, 5, 6, 8, 5, 6, 7, 5], [7, 7, 5, 6, 0, 0, 0, 0], [1, 2, 3, 4, 1, 2, 3, 4]])
    found = find_phrases(ids, ids > 0, PHRASES)
    rows = [[sorted({int(x) for x in row}), "".join("abc.."[int(x)] if x >= 0 else "." for x in row)] for row in found]
    assert rows[0][1][1:4] in ("aaa",) and rows[0][1][0] == "." and rows[0][1][7] == "."
    groups = [[tuple((row == n).nonzero()[:, 0].tolist()) for n in row.unique().tolist() if n >= 0] for row in found]
    assert sorted(groups[0]) == [(1, 2, 3), (4, 5), (6,)]
    assert sorted(groups[1]) == [(0,), (1,), (2, 3)]
    assert groups[2] == []


def test_padding_and_overlap_make_no_phrase() -> None:
    ids = torch.tensor([[9, 9, 9, 9, 9]])
    mask = torch.tensor([[True, True, True, True, False]])
    assert find_phrases(ids, mask, [[9, 9]]).tolist() == [[0, 0, 1, 1, -1]]
    assert (find_phrases(ids, mask, [[9] * 6]) == -1).all()
    with pytest.raises(ValueError, match="no token"):
        find_phrases(ids, mask, [[]])


def test_only_whole_phrases_are_hidden() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 9, (1000, 12), generator=generator)
    found = find_phrases(ids, torch.ones_like(ids, dtype=torch.bool), PHRASES)
    hidden = ~group_masking(torch.ones_like(ids, dtype=torch.bool), found, 0.3, generator)
    for row, groups in zip(hidden, found, strict=True):
        parts = [row[groups == n] for n in groups.unique() if n >= 0]
        assert all(bool(part.all()) or not bool(part.any()) for part in parts)
        assert row.any() == bool(parts), "at least one phrase is hidden when there is any"


def test_the_condition_decides_and_learns() -> None:
    head = AttributePrediction(16, 8, 5, depth=1, heads=2)
    states, mask = torch.randn(2, 6, 16, requires_grad=True), torch.arange(6) < torch.tensor([[6], [3]])
    condition = torch.randn(2, 8, requires_grad=True)
    scores = head(states, condition, mask)
    assert scores.shape == (2, 6, 5)
    assert not torch.allclose(scores, head(states, -condition, mask))
    scores[mask].square().sum().backward()
    assert condition.grad.any() and states.grad[mask].any() and not states.grad[~mask].any()
