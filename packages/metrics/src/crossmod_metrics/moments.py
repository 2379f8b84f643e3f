"""Finding moments: which frames of a recording a sentence is about, and how well a recording matches several of them.

The scores are inner products of frame vectors with a sentence's vector, as event-aware retrieval computes them
(EA-VTR, arXiv:2407.07478). That paper was read in its abstract and a summary only: (spec) marks our exact definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_equal_lengths, require_rows, require_without_nan


def moment_recall(
    scores: Shaped[Tensor, "sentences frames"],
    spans: Int64[Tensor, "sentences 2"],
    *,
    frames: Int64[Tensor, " sentences"] | None = None,
    ks: Sequence[int] = (1, 5),
) -> Mapping[int, float]:
    """(spec) Share of the sentences of which one of the k best frames lies in the true span [start, end).

    A frame that ties with others has the mean place of its ties, so a constant score hits at 1 only where nothing else
    could come first. Padded frames are out of the race.

    Shape: scores (sentences, frames), spans (sentences, 2), frames (sentences,).

    Args:
        frames: how many frames the recording of each sentence has; None is all.
        ks: the cuts of the places.

    Raises: ValueError for empty input or NaN, lengths that differ, a span that is empty or leaves its recording, or a
    k below 1.

    >>> scores = torch.tensor([[0.1, 0.9, 0.2, 0.3], [0.8, 0.1, 0.2, 0.3]])
    >>> moment_recall(scores, torch.tensor([[1, 3], [2, 4]]), ks=(1, 2))
    {1: 0.5, 2: 1.0}
    """
    real = _real_frames(scores, frames)
    require_equal_lengths(("scores", "spans"), (scores, spans))
    if not ks or min(ks) < 1:
        raise ValueError(f"ks is {tuple(ks)}; give the cuts of the places as numbers from 1.")
    wrong = (spans[:, 0] < 0) | (spans[:, 0] >= spans[:, 1]) | (spans[:, 1] > real.sum(dim=1))
    if bool(wrong.any()):
        sentence = int(wrong.nonzero()[0])
        raise ValueError(
            f"the span of sentence {sentence} is {spans[sentence].tolist()} of {int(real[sentence].sum())} frame(s); "
            "give [start, end) with start before end, inside the recording."
        )
    place = torch.arange(scores.shape[1], device=scores.device)
    inside = (place >= spans[:, :1]) & (place < spans[:, 1:])
    wide = scores.double().masked_fill(~real, -torch.inf)
    best = wide.masked_fill(~inside, -torch.inf).amax(dim=1, keepdim=True)
    better = (wide > best).sum(dim=1)
    tied = ((wide == best) & ~inside & real).sum(dim=1)
    rank = 1.0 + better + 0.5 * tied
    return {k: float((rank <= k).double().mean()) for k in ks}


def multi_event_scores(
    scores: Shaped[Tensor, "recordings sentences frames"], *, frames: Int64[Tensor, " recordings"] | None = None
) -> Float[Tensor, " recordings"]:
    """(spec) How well a recording matches several sentences: the mean over sentences of the best frame's score.

    Shape: scores (recordings, sentences, frames), frames (recordings,); result (recordings,), float64.

    Raises: ValueError for empty input, NaN, or a recording without a frame.

    >>> multi_event_scores(torch.tensor([[[0.5, 0.0], [0.25, 1.0]]])).tolist()
    [0.75]
    """
    require_rows("scores", scores, 3)
    if not scores.numel():
        raise ValueError(f"scores has shape {tuple(scores.shape)}; give one sentence and one frame or more.")
    real = _real_frames(scores[:, 0], frames)
    require_without_nan("scores", scores.masked_fill(~real[:, None], 0.0))
    best = scores.double().masked_fill(~real[:, None], -torch.inf).amax(dim=2)
    return best.mean(dim=1)


def _real_frames(
    scores: Shaped[Tensor, "rows frames"], frames: Int64[Tensor, " rows"] | None
) -> Bool[Tensor, "rows frames"]:
    require_rows("scores", scores, 2)
    length = scores.shape[1]
    place = torch.arange(length, device=scores.device)
    if frames is None:
        require_without_nan("scores", scores)
        return torch.ones_like(scores, dtype=torch.bool)
    require_equal_lengths(("scores", "frames"), (scores, frames))
    if int(frames.min()) < 1 or int(frames.max()) > length:
        raise ValueError(
            f"frames spans {int(frames.min())} to {int(frames.max())} for scores of {length} frame(s); "
            "give each recording's own number."
        )
    real = place < frames[:, None]
    require_without_nan("scores", scores.masked_fill(~real, 0.0))
    return real
