"""Several small codebooks instead of one large: residual stages, groups of channels, factorised projections."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.local.vector_quantiser import Quantised, VectorQuantiser


class ResidualQuantiser(nn.Module):
    """q_1 = nearest(x), x <- x - stopped q_1, q_2 = nearest(x), ...; the value is the sum of all stages.

    Args:
        width: Width of the features.
        codes: Codes of each stage.
        stages: Number of stages. (8 in DistilCodec's teacher, 1 in its student.)
        decay, dead_below: Of every `VectorQuantiser`.
    """

    def __init__(self, width: int, codes: int, stages: int, *, decay: float = 0.8, dead_below: float = 0.0) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            VectorQuantiser(width, codes, decay=decay, dead_below=dead_below) for _ in range(stages)
        )

    def forward(
        self, features: Float[Tensor, "*tokens width"], mask: Bool[Tensor, "*tokens"] | None = None
    ) -> Quantised:
        """Quantise stage by stage; the commitment is the mean of the stages' commitments.

        Shape:
            features: [..., width].
            mask: [...]; true = counted in the commitment.
        """
        rest, values = features, torch.zeros_like(features)
        codes, commitments = [], []
        for stage in self.stages:
            found: Quantised = stage(rest, mask)
            rest, values = rest - found.values.detach(), values + found.values.detach()
            codes.append(found.codes)
            commitments.append(found.commitment)
        passed = values + (features - features.detach())
        return Quantised(passed, torch.cat(codes, -1), torch.stack(commitments).mean())

    def look_up(self, codes: Int64[Tensor, "*tokens stages"]) -> Float[Tensor, "*tokens width"]:
        """The vectors of codes."""
        parts = [stage.look_up(codes[..., i : i + 1]) for i, stage in enumerate(self._quantisers())]
        return torch.stack(parts).sum(0)

    @torch.no_grad()
    def update(
        self,
        features: Float[Tensor, "*tokens width"],
        mask: Bool[Tensor, "*tokens"] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Move every stage's codebook towards what the stages before it left over; call once a training step."""
        rest = features
        for stage in self._quantisers():
            stage.update(rest, mask, generator)
            rest = rest - stage(rest).values

    def _quantisers(self) -> list[VectorQuantiser]:
        return [stage for stage in self.stages if isinstance(stage, VectorQuantiser)]


class GroupedQuantiser(nn.Module):
    """Grouped residual factorised quantisation (DistilCodec, arXiv:2505.17426): each group of channels on its own.

    Channels are split into groups; each is projected to the codebook's width, quantised in residual stages, and
    projected back; the groups are concatenated. DistilCodec's student is one group of one stage.

    Args:
        width: Width of the features; the groups divide it.
        code_width: Width of the codebooks.
        codes: Codes of each stage.
        groups: Number of groups.
        stages: Residual stages of each group.
        decay, dead_below: Of every `VectorQuantiser`.

    Raises:
        ValueError: The groups do not divide the width.
    """

    def __init__(
        self,
        width: int,
        code_width: int,
        codes: int,
        *,
        groups: int = 1,
        stages: int = 1,
        decay: float = 0.8,
        dead_below: float = 0.0,
    ) -> None:
        super().__init__()
        if width % groups:
            raise ValueError(f"a width of {width} does not divide into {groups} groups; take a multiple of {groups}")
        self.groups, self.stages, self.codes = groups, stages, codes
        self.enter = nn.ModuleList(nn.Linear(width // groups, code_width) for _ in range(groups))
        self.leave = nn.ModuleList(nn.Linear(code_width, width // groups) for _ in range(groups))
        self.quantisers = nn.ModuleList(
            ResidualQuantiser(code_width, codes, stages, decay=decay, dead_below=dead_below) for _ in range(groups)
        )

    def forward(
        self, features: Float[Tensor, "*tokens width"], mask: Bool[Tensor, "*tokens"] | None = None
    ) -> Quantised:
        """Quantise every group; codes run group by group, stage by stage.

        Shape:
            features: [..., width].
            mask: [...]; true = counted in the commitment.
        """
        found: list[Quantised] = [
            quantiser(part, mask) for quantiser, part in zip(self.quantisers, self._project(features), strict=True)
        ]
        values = [leave(part.values) for leave, part in zip(self.leave, found, strict=True)]
        commitment = torch.stack([part.commitment for part in found]).mean()
        return Quantised(torch.cat(values, -1), torch.cat([part.codes for part in found], -1), commitment)

    def look_up(self, codes: Int64[Tensor, "*tokens codes"]) -> Float[Tensor, "*tokens width"]:
        """The values of codes, as `forward` returned them."""
        parts = zip(self.leave, self._quantisers(), torch.split(codes, self.stages, -1), strict=True)
        return torch.cat([leave(quantiser.look_up(part)) for leave, quantiser, part in parts], -1)

    @torch.no_grad()
    def update(
        self,
        features: Float[Tensor, "*tokens width"],
        mask: Bool[Tensor, "*tokens"] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Move every codebook towards a batch; call once a training step, on every process."""
        for quantiser, part in zip(self._quantisers(), self._project(features), strict=True):
            quantiser.update(part, mask, generator)

    def _project(self, features: Tensor) -> list[Tensor]:
        parts = features.chunk(self.groups, -1)
        return [enter(part) for enter, part in zip(self.enter, parts, strict=True)]

    def _quantisers(self) -> list[ResidualQuantiser]:
        return [quantiser for quantiser in self.quantisers if isinstance(quantiser, ResidualQuantiser)]
