import pytest
import torch

from crossmod.text.buckets import length_buckets


@pytest.mark.parametrize("count", [1, 2, 4, 7])
@pytest.mark.parametrize("samples", [0, 1, 33, 200])
def test_every_row_once_and_none_cut(count, samples):
    lengths = torch.randint(1, 65, (samples,), generator=torch.Generator().manual_seed(samples))
    buckets = length_buckets(lengths, count)
    rows = torch.cat([bucket.rows for bucket in buckets])
    assert sorted(rows.tolist()) == list(range(samples))
    assert len(buckets) <= count
    for bucket in buckets:
        held = lengths[bucket.rows]
        assert bucket.longest == (int(held.max()) if samples else 0)
        assert bucket.even == (held.unique().numel() <= 1)
        assert len(buckets) == 1 or len(bucket.rows) >= 4


def test_padding_shrinks():
    lengths = torch.randint(5, 65, (256,), generator=torch.Generator().manual_seed(0))
    area = sum(len(bucket.rows) * bucket.longest for bucket in length_buckets(lengths, 4))
    assert area < 1.25 * int(lengths.sum()) < 256 * 64


def test_one_bucket_keeps_the_order():
    (bucket,) = length_buckets(torch.tensor([5, 3, 9]), 4)
    assert bucket.rows.tolist() == [0, 1, 2]
