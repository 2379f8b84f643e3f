"""Modality Integration Rate: the distance between two modalities' tokens inside the layers of a joint
encoder.

MIR (Huang et al. 2024). This is the exact form, with the matrix square root by eigenvalues: the published
code's "fast" mode stops at a fixed point that is not a root, so its numbers cannot be compared with these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_finite, require_rows, require_same_width

_SMALLEST_SUM = 1e-12  # identical modalities have no distance, whose logarithm is not a number to plot
_OUTLIER_DEVIATIONS = 3.0


@dataclass(frozen=True)
class IntegrationRate:
    """MIR of a joint encoder; lower is better integrated.

    Attributes:
        rate: log10 of the sum of the layers' distances, the sum floored at 1e-12.
        total: sum of the layers' distances.
        per_layer: squared Frechet distance of every layer.
        scales: 1 / mean norm of the reference tokens, by layer.
        outliers: tokens replaced by the median token, (modality, reference) by layer.
        projection: width that the tokens were projected to, None for the full width.
    """

    rate: float
    total: float
    per_layer: tuple[float, ...]
    scales: tuple[float, ...]
    outliers: tuple[tuple[int, int], ...]
    projection: int | None


@torch.no_grad()
def frechet_distance(a: Shaped[Tensor, "a_tokens dim"], b: Shaped[Tensor, "b_tokens dim"]) -> float:
    """Squared Frechet distance of two Gaussians, ||mu_a - mu_b||^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)).

    The trace of the root is the sum of sqrt(eig(S_a^(1/2) S_b S_a^(1/2))), negative rounding set to zero.
    With fewer tokens than dimensions the covariances are singular and the distance is biased upward.

    Shape: a (a_tokens, dim), b (b_tokens, dim).

    Raises: ValueError for empty or non-finite input, widths that differ, or fewer than two tokens on a side.
    """
    require_same_width("a", a, "b", b)
    (mean_a, covariance_a), (mean_b, covariance_b) = _moments("a", a), _moments("b", b)
    values, vectors = torch.linalg.eigh(covariance_a)
    root = (vectors * values.clamp_min(0.0).sqrt()) @ vectors.T
    inner = root @ covariance_b @ root
    shared = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp_min(0.0).sqrt().sum()
    trace = covariance_a.trace() + covariance_b.trace() - 2.0 * shared
    return float((mean_a - mean_b).square().sum() + trace.clamp_min(0.0))


@torch.no_grad()
def modality_integration_rate(
    modality: Sequence[Shaped[Tensor, "tokens dim"]],
    reference: Sequence[Shaped[Tensor, "reference_tokens dim"]],
    *,
    projection: int | None = None,
    seed: int = 0,
) -> IntegrationRate:
    """MIR = log10 sum_k d_k of the layers' token sets, scaled by the mean norm of the reference (text)
    tokens.

    A token whose norm lies over three standard deviations from the median norm of its set is replaced by the
    coordinate-wise median token. Absolute norms matter on purpose: only the common scale is removed.

    Shape: one (tokens, dim) tensor a layer and side; leave out the embedding layer.

    Args:
        modality: tokens of the modality that is to be integrated, by layer.
        reference: tokens of the language side, by layer; sets the scale.
        projection: random orthogonal projection to this width, for wide layers; compare only equal
        projections.
        seed: of the projection.

    Raises:
        ValueError: no layer, sides of different depth, empty or non-finite tokens, reference tokens of length
            zero, or a side with no more tokens than dimensions, whose distance would be biased.
    """
    if not modality or len(modality) != len(reference):
        raise ValueError(
            f"modality has {len(modality)} layer(s) and reference {len(reference)}; pass both for each layer."
        )
    layers = [_layer(a, b, projection, seed) for a, b in zip(modality, reference, strict=True)]
    total = sum(layer[0] for layer in layers)
    return IntegrationRate(
        rate=math.log10(max(total, _SMALLEST_SUM)),
        total=total,
        per_layer=tuple(layer[0] for layer in layers),
        scales=tuple(layer[1] for layer in layers),
        outliers=tuple(layer[2] for layer in layers),
        projection=projection,
    )


def _layer(
    modality: Shaped[Tensor, "tokens dim"],
    reference: Shaped[Tensor, "reference_tokens dim"],
    projection: int | None,
    seed: int,
) -> tuple[float, float, tuple[int, int]]:
    for name, tokens in (("modality", modality), ("reference", reference)):
        require_rows(name, tokens, 2)
        require_finite(name, tokens)
    require_same_width("modality", modality, "reference", reference)
    mean_norm = float(reference.double().norm(dim=1).mean())
    if mean_norm == 0:
        raise ValueError("all reference tokens have length zero; they give no scale.")
    a, outliers_a = _replace_outliers(modality.double() / mean_norm)
    b, outliers_b = _replace_outliers(reference.double() / mean_norm)
    if projection is not None:
        basis = _orthogonal(a.shape[1], projection, seed).to(a.device)
        a, b = a @ basis, b @ basis
    if min(len(a), len(b)) <= a.shape[1]:
        raise ValueError(
            f"{min(len(a), len(b))} tokens for {a.shape[1]} dimensions bias the distance upward; pass more "
            "tokens or a smaller projection."
        )
    return frechet_distance(a, b), 1.0 / mean_norm, (outliers_a, outliers_b)


def _replace_outliers(tokens: Float[Tensor, "tokens dim"]) -> tuple[Float[Tensor, "tokens dim"], int]:
    norms = tokens.norm(dim=1)
    if len(norms) < 2:
        return tokens, 0
    middle = norms.median()
    # Normalised tokens differ in length by rounding alone, which is no reason to replace one.
    spread = (_OUTLIER_DEVIATIONS * norms.std()).clamp_min(1e-6 * middle)
    far = (norms - middle).abs() > spread
    return torch.where(far[:, None], tokens.median(dim=0).values, tokens), int(far.sum())


def _orthogonal(width: int, projection: int, seed: int) -> Float[Tensor, "dim projection"]:
    if not 1 <= projection <= width:
        raise ValueError(f"projection is {projection} for tokens of width {width}; choose from 1 to {width}.")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(width, projection, dtype=torch.float64, generator=generator)
    basis: Tensor = torch.linalg.qr(noise).Q
    return basis


def _moments(name: str, tokens: Shaped[Tensor, "tokens dim"]) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"]]:
    require_rows(name, tokens, 2)
    require_finite(name, tokens)
    if len(tokens) < 2:
        raise ValueError(f"{name} has one token; a covariance needs two.")
    wide = tokens.double()
    mean = wide.mean(dim=0)
    centred = wide - mean
    return mean, centred.T @ centred / (len(wide) - 1)
