from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.state.sample_statistics import SampleStatistics


def test_averages_over_time_from_the_first_observation_on() -> None:
    table = SampleStatistics(3, decay=0.9)
    expected = None
    for loss in (4.0, 2.0, 1.0):
        table.update_(torch.tensor([1]), torch.tensor([loss]))
        expected = loss if expected is None else 0.9 * expected + 0.1 * loss
    assert float(table.average[1]) == pytest.approx(expected, rel=1e-6)
    assert float(table.latest[1]) == 1.0
    assert table.count.tolist() == [0, 3, 0]
    assert table.seen().tolist() == [1]
    assert torch.isnan(table.average[[0, 2]]).all()


def test_a_sample_twice_in_a_batch_is_one_observation_of_the_mean() -> None:
    table = SampleStatistics(4)
    table.update_(torch.tensor([2, 0, 2]), torch.tensor([1.0, 5.0, 3.0]))
    assert table.average[[0, 2]].tolist() == [5.0, 2.0]
    assert table.count.tolist() == [1, 0, 1, 0]


def test_the_order_of_a_batch_does_not_matter() -> None:
    sample, loss = torch.randint(0, 20, (64,)), torch.rand(64)
    order = torch.randperm(64)
    one, other = SampleStatistics(20), SampleStatistics(20)
    one.update_(sample, loss)
    other.update_(sample[order], loss[order])
    assert torch.allclose(one.average, other.average, equal_nan=True)


def test_a_checkpoint_goes_on_where_it_stopped() -> None:
    table, other = SampleStatistics(5), SampleStatistics(5)
    table.update_(torch.arange(4), torch.rand(4))
    nn.ModuleDict({"t": other}).load_state_dict(nn.ModuleDict({"t": table}).state_dict())
    loss = torch.rand(3)
    for one in (table, other):
        one.update_(torch.tensor([4, 0, 1]), loss)
    assert torch.equal(table.average, other.average)
    assert torch.equal(table.count, other.count)


def test_nothing_and_half_precision_enter_and_no_graph_is_kept() -> None:
    table = SampleStatistics(2)
    table.update_(torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert table.count.tolist() == [0, 0]
    table.update_(torch.tensor([1]), torch.tensor([0.5], dtype=torch.float16, requires_grad=True))
    assert not table.average.requires_grad
    assert float(table.average[1]) == 0.5


@pytest.mark.parametrize(
    ("sample", "loss", "message"),
    [
        ([0, 3], [1.0, 1.0], "as long as the corpus"),
        ([-1], [1.0], "as long as the corpus"),
        ([0], [float("nan")], "not finite"),
        ([0, 1], [1.0], "one loss a row"),
    ],
)
def test_refuses_what_does_not_belong_and_stays_as_it_was(sample: list[int], loss: list[float], message: str) -> None:
    table = SampleStatistics(3)
    with pytest.raises(ValueError, match=message):
        table.update_(torch.tensor(sample), torch.tensor(loss))
    assert table.count.tolist() == [0, 0, 0]


def test_needs_samples_and_a_decay() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        SampleStatistics(0)
    with pytest.raises(ValueError, match="decay in"):
        SampleStatistics(2, decay=1.0)
