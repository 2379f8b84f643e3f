"""Exact nearest neighbours against faiss, float32, one thread; the memory of the search is measured too."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.measure import Result, interleaved, missing, peak_of_child, print_peak, speed
from crossmod_metrics import top_k

QUERIES, GALLERY, WIDTH, PLACES = 4000, 100_000, 512, 10
LARGEST_MIB = 256  # queries x gallery alone would be 1,526 MiB


def _rows(seed: int, count: int) -> Tensor:
    rows = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def search(rounds: int) -> list[Result]:
    """The ten best of 100,000 candidates for each query."""
    torch.set_num_threads(1)
    what = f"top {PLACES} of {GALLERY:,} x {WIDTH}, {QUERIES:,} queries (faiss IndexFlatIP)"
    try:
        import faiss
    except ImportError:
        return [missing(what, "faiss-cpu", ">= 0.9x")]
    faiss.omp_set_num_threads(1)
    query, gallery = _rows(0, QUERIES), _rows(1, GALLERY)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(gallery.numpy())
    cases = {"ours": lambda: top_k(query, gallery, PLACES), "theirs": lambda: index.search(query.numpy(), PLACES)}
    seconds = interleaved(cases, min(rounds, 3))
    same = torch.from_numpy(index.search(query.numpy(), PLACES)[1]) == top_k(query, gallery, PLACES).indices
    if not bool(same.float().mean() > 0.999):
        raise ValueError("the two exact searches disagree in more than one neighbour of a thousand")
    peak = peak_of_child("search")
    return [
        speed(what, seconds["ours"], seconds["theirs"], 0.9),
        Result(f"{what}, peak MiB", f"{peak:.0f}", f"{LARGEST_MIB}", "-", "no matrix", peak <= LARGEST_MIB),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    query, gallery = _rows(0, QUERIES), _rows(1, GALLERY)
    print_peak(lambda: top_k(query, gallery, PLACES), lambda: top_k(query[:64], gallery, PLACES), 0.0)
