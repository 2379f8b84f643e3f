from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.fusion.assignment import cheapest_assignment


def total(cost, columns):
    return float(cost[np.arange(len(cost)), columns].sum())


@settings(deadline=None)
@given(rows=st.integers(0, 5), more=st.integers(0, 2), seed=st.integers(0, 10_000), whole=st.booleans())
def test_no_permutation_is_cheaper(rows, more, seed, whole):
    draw = np.random.default_rng(seed)
    cost = draw.integers(-3, 4, (rows, rows + more)).astype(float) if whole else draw.normal(size=(rows, rows + more))
    columns = cheapest_assignment(cost)
    assert len(set(columns.tolist())) == rows
    best = min(total(cost, np.array(p, dtype=int)) for p in permutations(range(rows + more), rows))
    assert total(cost, columns) == pytest.approx(best, abs=1e-9)


def test_a_hidden_permutation_is_found_in_a_large_matrix():
    draw = np.random.default_rng(0)
    hidden = draw.permutation(150)[:120]
    row, column = draw.normal(size=(120, 1)), -draw.random((1, 150))
    # Row prices move no choice; column prices that are paid by a margin elsewhere keep the hidden one optimal.
    cost = row + 1 + draw.random((120, 150)) + np.where(np.isin(np.arange(150), hidden), column, 0)
    cost[np.arange(120), hidden] = row[:, 0] + column[0, hidden]
    assert np.array_equal(cheapest_assignment(cost), hidden)


def test_it_is_at_most_the_greedy_cost_and_ignores_row_offsets():
    draw = np.random.default_rng(1)
    cost = draw.random((30, 40))
    free, greedy = set(range(40)), []
    for row in cost:
        greedy.append(min(free, key=lambda column, row=row: row[column]))
        free.remove(greedy[-1])
    columns = cheapest_assignment(cost)
    assert total(cost, columns) < total(cost, np.array(greedy))
    assert np.array_equal(cheapest_assignment(cost + draw.random((30, 1))), columns)


def test_what_has_no_assignment_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        cheapest_assignment(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not finite"):
        cheapest_assignment(np.array([[0.0, np.nan]]))
