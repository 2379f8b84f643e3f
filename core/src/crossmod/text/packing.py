"""Lists of token ids to the packed arrays of `TextInputs`, and back from processed parts (torch-free)."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed

if TYPE_CHECKING:
    from crossmod.text.inputs import TextInputs


def pack_tokens(texts: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[Any]]:
    """Token lists end to end: `ids` int32 [total] and `lengths` int32 [texts]."""
    lengths = np.fromiter(map(len, texts), np.int32, len(texts))
    ids = np.fromiter(chain.from_iterable(texts), np.int32, int(lengths.sum(dtype=np.int64)))
    return {"ids": ids, "lengths": lengths}


def truncation_counts(dropped: Sequence[int], length: int) -> dict[str, int]:
    """What the run report says about texts that lost tokens; `dropped` has one number for each such text."""
    if not dropped:
        return {}
    return {
        f"texts longer than {length} tokens": len(dropped),
        f"tokens dropped from texts longer than {length} tokens": sum(dropped),
    }


def joined(parts: Sequence[Processed], name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
    """One array of all parts, in order; of `kind` even where there is no part."""
    return np.concatenate([np.zeros(0, kind), *(part.arrays[name] for part in parts)], dtype=kind)


def joined_offsets(parts: Sequence[Processed]) -> npt.NDArray[np.int64]:
    """[samples + 1] offsets from the parts' `lengths`."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(joined(parts, "lengths", np.int64))])


def token_inputs(parts: Sequence[Processed]) -> TextInputs:
    """The inputs that parts made by `pack_tokens` describe."""
    import torch

    from crossmod.text.inputs import TextInputs

    ids = torch.from_numpy(joined(parts, "ids", np.int32))
    return TextInputs(ids, torch.from_numpy(joined_offsets(parts)))


def one_thread_in_workers() -> None:
    """Keep the tokenizers library to one thread in a worker process, where its pool would oversubscribe.

    A worker that was forked after the pool had been used would wait for threads that no longer exist; the
    library reads this variable at every call and then starts none. A user's own choice stands.
    """
    if multiprocessing.parent_process() is not None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
