"""Where a segment stands in its sequence: its index, or its coordinate in seconds, millimetres or days."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

PositionKind = Literal["index", "continuous"]


class SegmentPositions(nn.Module):
    """Add one vector a segment to all of its tokens and lay the segments in a row (Video-LLaMA, arXiv:2306.02858).

    "index" is the paper's learned table; frame rates cannot be told apart by it. "continuous" [ours] is
    Linear([sin(2 pi x / p), cos(2 pi x / p)]) with periods p from `shortest` to `longest` in equal ratios, so that
    coordinates carry their unit: z in mm, days, seconds. Segments without an order (conformers) take neither.

    Args:
        width: Width of the tokens.
        kind: Which of the two.
        segments: Rows of the table (32 in the paper); "index" only.
        shortest: Shortest period, about twice the finest spacing; "continuous" only.
        longest: Longest period, above the whole extent; "continuous" only.
        periods: Number of periods.

    Raises:
        ValueError: The kind is unknown, or periods do not ascend from above zero.
    """

    def __init__(
        self,
        width: int,
        kind: PositionKind,
        *,
        segments: int = 32,
        shortest: float = 1.0,
        longest: float = 1000.0,
        periods: int = 16,
    ) -> None:
        super().__init__()
        if kind not in get_args(PositionKind):
            raise ValueError(f"positions are {kind!r}; take 'index' or 'continuous'.")
        if not 0 < shortest < longest or periods < 2:
            raise ValueError(
                f"{periods} periods from {shortest} to {longest} do not ascend; take two or more above zero."
            )
        self.kind = kind
        self.table = nn.Parameter(torch.empty(segments, width)) if kind == "index" else None
        self.map = nn.Linear(2 * periods, width) if kind == "continuous" else None
        if self.table is not None:
            nn.init.normal_(self.table, std=0.02)
        # Numbers, not a buffer: a module cast to half precision would round them, and the phases of far coordinates.
        ratio = (longest / shortest) ** (1 / (periods - 1))
        self.frequencies = [2 * math.pi / (shortest * ratio**index) for index in range(periods)]

    def forward(
        self,
        tokens: Float[Tensor, "batch segments length width"],
        mask: Bool[Tensor, "batch segments"] | None = None,
        coordinates: Float[Tensor, "batch segments"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens width"], Bool[Tensor, "batch tokens"] | None]:
        """The tokens in a row, each with its segment's position, and their mask.

        Shape:
            mask: [batch, segments]; true = real segment.
            coordinates: [batch, segments], in the unit of the periods; "continuous" only.

        Raises:
            ValueError: More segments than rows, or coordinates missing, superfluous or not finite at a real segment.
        """
        batch, segments, length, width = tokens.shape
        if mask is not None and (mask.dtype != torch.bool or mask.shape != (batch, segments)):
            raise ValueError(f"mask is {mask.dtype} {tuple(mask.shape)}; it has to be bool [{batch}, {segments}].")
        if (coordinates is not None) != (self.kind == "continuous"):
            raise ValueError(f"{self.kind!r} positions were given coordinates={coordinates is not None}; see its kind.")
        where = self._table(segments) if coordinates is None else self._map(coordinates, mask)
        placed = (tokens + where[..., None, :].to(tokens.dtype)).reshape(batch, segments * length, width)
        return placed, None if mask is None else mask.repeat_interleave(length, 1)

    def _table(self, segments: int) -> Float[Tensor, "segments width"]:
        assert self.table is not None
        if segments > len(self.table):
            raise ValueError(
                f"{segments} segments were given to a table of {len(self.table)}; sample fewer, build a longer table, "
                "or take continuous positions."
            )
        return self.table[:segments]

    def _map(
        self, coordinates: Float[Tensor, "batch segments"], mask: Bool[Tensor, "batch segments"] | None
    ) -> Float[Tensor, "batch segments width"]:
        assert self.map is not None
        if mask is not None:
            coordinates = coordinates.masked_fill(~mask, 0.0)
        if not bool(coordinates.isfinite().all()):
            raise ValueError("a coordinate of a real segment is not finite; mask the segment or mend its coordinate.")
        # Phases of long periods and large coordinates need float32 at least.
        wide = coordinates if coordinates.dtype == torch.float64 else coordinates.float()
        phase = wide[..., None] * torch.tensor(self.frequencies, dtype=wide.dtype, device=wide.device)
        waves = torch.cat([phase.sin(), phase.cos()], -1)
        where: Tensor = self.map(waves.to(self.map.weight.dtype))
        return where
