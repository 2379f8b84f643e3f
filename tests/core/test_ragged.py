import torch

from crossmod.ragged import gather_runs


def test_equals_a_loop_over_rows():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 6, (50,), generator=generator)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    index = torch.randint(0, 50, (200,), generator=generator)
    positions, taken = gather_runs(offsets, index)
    rows = [list(range(int(offsets[i]), int(offsets[i + 1]))) for i in index]
    assert positions.tolist() == [position for row in rows for position in row]
    assert (taken[1:] - taken[:-1]).tolist() == [len(row) for row in rows]


def test_no_rows_and_empty_rows():
    offsets = torch.tensor([0, 0, 3])
    for index, expected in (([], []), ([0, 0], []), ([1, 0, 1], [0, 1, 2, 0, 1, 2])):
        positions, taken = gather_runs(offsets, torch.tensor(index, dtype=torch.int64))
        assert positions.tolist() == expected
        assert len(taken) == len(index) + 1
