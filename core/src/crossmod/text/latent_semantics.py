"""Texts in the space of latent semantic analysis: what occurs together lies together, and nothing is trained.

Deerwester et al., "Indexing by Latent Semantic Analysis", 1990: the singular value decomposition of the matrix of
training texts by weighted n-grams. It is a text encoder that needs neither weights from elsewhere nor a step.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.ngrams import NgramProcessor

if TYPE_CHECKING:
    from crossmod.text.ngram_inputs import NgramInputs

KIND = "latent semantics"
FILE = "basis.npy"
MOST_TEXTS = 50_000
"""Training texts that the decomposition looks at; of more, every so-manieth."""


class LatentSemanticProcessor(Processor):
    """Texts to weighted n-grams, with the directions that the training texts span most.

    Args:
        ngrams: Makes the n-grams.
        basis: [buckets, width] float32 with orthonormal columns; zero rows for n-grams that no training text has.
    """

    def __init__(self, ngrams: NgramProcessor, basis: npt.NDArray[np.float32]) -> None:
        self.ngrams, self.basis = ngrams, np.asarray(basis, np.float32)

    @classmethod
    def fit(cls, items: Sequence[Any], *, width: int, **ngrams: Any) -> LatentSemanticProcessor:
        """Learn weights and directions on training texts; `ngrams` are the options of `NgramProcessor.fit`.

        Where the texts span fewer than `width` directions, the others are zero.

        Raises:
            UserError: No item is a usable text.
        """
        own = NgramProcessor.fit(items, **ngrams)
        step = max(1, -(-len(items) // MOST_TEXTS))
        return cls(own, _directions(own, items[::step], width))

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> LatentSemanticProcessor:
        """Restore the processor that a spec and its files describe.

        Raises:
            UserError: The spec is of another kind or of another hash, or a file is missing or was changed.
        """
        require_kind(spec, KIND, "ngrams", "basis_sha256", "width")
        ngrams = NgramProcessor.load(spec["ngrams"], files)
        content = require_file(files, FILE, spec["basis_sha256"])
        known: npt.NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
        return cls(ngrams, _whole(ngrams, known))

    @property
    def width(self) -> int:
        """The number of directions."""
        return int(self.basis.shape[1])

    @property
    def spec(self) -> Mapping[str, Any]:
        return {
            "kind": KIND,
            "width": self.width,
            "basis_sha256": sha256(self.files()[FILE]),
            "ngrams": dict(self.ngrams.spec),
        }

    def files(self) -> Mapping[str, bytes]:
        stream = io.BytesIO()
        np.save(stream, self.basis[self.ngrams.idf > 0], allow_pickle=False)
        return {**self.ngrams.files(), FILE: stream.getvalue()}

    def process(self, items: Sequence[Any]) -> Processed:
        return self.ngrams.process(items)

    def inputs(self, parts: Sequence[Processed]) -> NgramInputs:
        return self.ngrams.inputs(parts)


def _whole(ngrams: NgramProcessor, known: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    basis = np.zeros((ngrams.buckets, known.shape[1]), np.float32)
    basis[ngrams.idf > 0] = known
    return basis


def _directions(ngrams: NgramProcessor, items: Sequence[Any], width: int) -> npt.NDArray[np.float32]:
    """The right singular vectors of the largest singular values, their signs made unambiguous."""
    import torch

    found = ngrams.process(items).arrays
    column = np.cumsum(ngrams.idf > 0) - 1
    bounds = np.concatenate([[0], np.cumsum(found["lengths"])])
    rows, columns = len(bounds) - 1, int(column[-1]) + 1
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([np.repeat(np.arange(rows), found["lengths"]), column[found["buckets"]]])),
        torch.from_numpy(found["weights"].astype(np.float64)),
        (rows, columns),
        check_invariants=True,
    ).coalesce()
    rank = min(width, rows, columns)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Some directions more than are kept, and several passes: the smallest kept ones are exact to float32 then.
        _, values, vectors = torch.svd_lowrank(matrix, q=min(rank + 16, rows, columns), niter=8)
    vectors = vectors[:, :rank] * (values[:rank] > 1e-9 * values[0])
    largest = vectors.abs().argmax(dim=0)
    vectors = vectors * vectors[largest, torch.arange(rank)].sign()
    known = torch.zeros(columns, width)
    known[:, :rank] = vectors.float()
    return _whole(ngrams, known.numpy())
