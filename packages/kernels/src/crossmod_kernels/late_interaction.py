"""Token-wise late interaction without the products of all tokens in memory: the score behind FILIP and ColBERT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod_kernels.best_partners import LONGEST_BY_BYTE, Partners, choose_partners
from crossmod_kernels.engine import Wanted
from crossmod_kernels.first_order import first_order
from crossmod_kernels.gradient_sink import GradientSink
from crossmod_kernels.tile_plan import Logits, Tile, TilePlan, shaped
from crossmod_kernels.token_sets import TokenRows, check_token_sets, token_rows
from crossmod_kernels.unit_rows import UnitRows, compute_dtype, through_norms_
from crossmod_kernels.validation import check_choices


class LateInteraction(NamedTuple):
    """Scores of both directions, which are not each other's transpose. Shape: ab (batch, keys); ba (keys, batch)."""

    ab: Float[Tensor, "batch keys"]
    ba: Float[Tensor, "keys batch"]


def late_interaction(
    tokens_a: Float[Tensor, "batch length_a dim"],
    tokens_b: Float[Tensor, "keys length_b dim"],
    mask_a: Bool[Tensor, "batch length_a"] | None = None,
    mask_b: Bool[Tensor, "keys length_b"] | None = None,
    *,
    normalise: bool = True,
    product_dtype: torch.dtype | None = None,
    tile: tuple[int, int] | None = None,
    backend: Literal["auto", "torch", "triton"] = "auto",
) -> LateInteraction:
    """s_ab[i,j] = mean_k max_r <a_ik, b_jr> and s_ba[j,i] = mean_r max_k <a_ik, b_jr> (FILIP, arXiv 2111.07783).

    Maxima and means run over real tokens; what stands in the padding is ignored, not-a-numbers included. One tile of
    products feeds both directions, and the places of the maxima are kept: batch * keys * (length_a + length_b)
    bytes up to 255 tokens. A tie goes to the first token. Scores are fp32 at least; `product_dtype` forms the
    products in half precision. `tile` counts samples of a and of b. There is no double backward.

    Shape: tokens_a (batch, length_a, dim); tokens_b (keys, length_b, dim); masks without dim, true = real.

    Raises:
        ValueError: for sets that are empty or of different widths, masks that do not fit, or a sample without a token.
    """
    check_token_sets(tokens_a, tokens_b, mask_a, mask_b)
    check_choices("auto", backend, tile)
    options = _Options(normalise, product_dtype, tile, backend)
    ab, ba = _LateInteraction.apply(tokens_a, tokens_b, mask_a, mask_b, options)
    return LateInteraction(ab, ba)


class _Options(NamedTuple):
    normalise: bool
    product_dtype: torch.dtype | None
    tile: tuple[int, int] | None
    backend: str


class _LateInteraction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tokens_a: Tensor, tokens_b: Tensor, mask_a: Tensor | None, mask_b: Tensor | None, options: _Options
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(tokens_a.device.type, enabled=False):
            partners = choose_partners(options.backend, tokens_a.device)
            exact = compute_dtype(tokens_a, tokens_b)
            a, b = (
                token_rows(tokens, mask, exact, options.product_dtype or exact, normalise=options.normalise)
                for tokens, mask in ((tokens_a, mask_a), (tokens_b, mask_b))
            )
            samples = options.tile or partners.samples(a, b)
            walk = _Walk(a, b, TilePlan.of(len(a.rows), len(b.rows), (samples[0] * a.length, samples[1] * b.length)))
            scores, places = walk.scores(partners, keep_places=any(ctx.needs_input_grad[:2]))
        ctx.save_for_backward(a.rows, b.rows, *places)
        # Rows may be the caller's own tokens: only what is saved is guarded against a change in place.
        ctx.sides = replace(a, rows=a.rows[:0]), replace(b, rows=b.rows[:0])
        ctx.plan, ctx.partners = walk.plan, partners
        ctx.input_dtypes = (tokens_a.dtype, tokens_b.dtype)
        return scores

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream_ab: Tensor, upstream_ba: Tensor) -> tuple[Tensor | None, ...]:
        rows_a, rows_b, *places = ctx.saved_tensors
        walk = _Walk(replace(ctx.sides[0], rows=rows_a), replace(ctx.sides[1], rows=rows_b), ctx.plan)
        wanted = Wanted(*ctx.needs_input_grad[:2])
        with torch.autocast(upstream_ab.device.type, enabled=False):
            sink = walk.gradients(ctx.partners, _Places(*places), upstream_ab, upstream_ba, wanted)
            found = []
            for gradient, side, dtype in zip((sink.a, sink.b), (walk.a, walk.b), ctx.input_dtypes, strict=True):
                if gradient is not None:
                    through_norms_(gradient, UnitRows(side.rows, side.norms), 1.0)
                    gradient = gradient.to(dtype).view(side.samples, side.length, -1)
                found.append(gradient)
        return (*found, None, None, None)


class _Places(NamedTuple):
    """Where the maxima are. Shape: of_a (samples_a, length_a, samples_b); of_b (samples_a, samples_b, length_b)."""

    of_a: Tensor
    of_b: Tensor

    @classmethod
    def room(cls, a: TokenRows, b: TokenRows) -> _Places:
        """In bytes where every place has a number of one byte."""
        by_a, by_b = (torch.uint8 if side.length <= LONGEST_BY_BYTE else torch.int32 for side in (b, a))
        return cls(
            a.rows.new_empty(a.samples, a.length, b.samples, dtype=by_a),
            a.rows.new_empty(a.samples, b.samples, b.length, dtype=by_b),
        )


class _Walk:
    """The tiles of one matrix of products, sample by sample."""

    def __init__(self, a: TokenRows, b: TokenRows, plan: TilePlan) -> None:
        self.a, self.b, self.plan = a, b, plan
        self.logits = Logits(a.rows, b.rows, 1.0, plan)

    def scores(self, partners: Partners, *, keep_places: bool) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, ...]]:
        a, b = self.a, self.b
        places = _Places.room(a, b) if keep_places else None
        ab = a.weights.new_empty(a.samples, b.samples)
        ba = b.weights.new_empty(b.samples, a.samples)
        buffer = self.plan.buffer(a.rows)
        for tile in self.plan:
            of_a, of_b = self._samples_in(tile)
            values = self._by_sample(self.logits.into(buffer, tile))
            best = partners.maxima(values, a.bias_of(of_a), b.bias_of(of_b), keep_places=keep_places)
            ab[of_a, of_b] = torch.einsum("ikj,ik->ij", best.of_a.to(ab.dtype), a.weights[of_a])
            ba[of_b, of_a] = torch.einsum("ijr,jr->ji", best.of_b.to(ba.dtype), b.weights[of_b])
            if places is not None and best.place_a is not None and best.place_b is not None:
                places.of_a[of_a, :, of_b] = best.place_a
                places.of_b[of_a, of_b] = best.place_b
        return (ab, ba), places or ()

    def gradients(
        self, partners: Partners, places: _Places, upstream_ab: Tensor, upstream_ba: Tensor, wanted: Wanted
    ) -> GradientSink:
        a, b = self.a, self.b
        sink = GradientSink(self.logits, wanted)
        buffer = self.plan.buffer(a.rows)
        for tile in self.plan:
            of_a, of_b = self._samples_in(tile)
            gradient = shaped(buffer, tile)
            pull_a = upstream_ab[of_a, None, of_b] * a.weights[of_a, :, None]
            pull_b = upstream_ba.t()[of_a, of_b, None] * b.weights[of_b]
            place_a, place_b = places.of_a[of_a, :, of_b], places.of_b[of_a, of_b]
            partners.gradient_into(self._by_sample(gradient), place_a, place_b, pull_a, pull_b)
            sink.add(gradient, tile)
        return sink

    def _samples_in(self, tile: Tile) -> tuple[slice, slice]:
        parts = ((tile.rows, self.a.length), (tile.columns, self.b.length))
        of_a, of_b = (slice(part.start // length, part.stop // length) for part, length in parts)
        return of_a, of_b

    def _by_sample(self, values: Tensor) -> Tensor:
        rows, columns = values.shape
        return values.view(rows // self.a.length, self.a.length, columns // self.b.length, self.b.length)
