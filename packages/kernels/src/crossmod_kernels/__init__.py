"""Contrastive losses without a B x B matrix in memory, with one plain reference each."""

from crossmod_kernels.cwcl import cwcl
from crossmod_kernels.distilled import distilled_infonce, distilled_rows
from crossmod_kernels.distributed import infonce_distributed, sigmoid_pairs_distributed
from crossmod_kernels.infonce import Directions, infonce, infonce_directions
from crossmod_kernels.late_interaction import LateInteraction, late_interaction
from crossmod_kernels.reference import (
    cwcl_reference,
    distilled_infonce_reference,
    infonce_reference,
    late_interaction_reference,
    sigmoid_pairs_reference,
    soft_cross_entropy_reference,
    soft_target_infonce_reference,
)
from crossmod_kernels.sigmoid import sigmoid_pairs

__all__ = [
    "Directions",
    "LateInteraction",
    "cwcl",
    "cwcl_reference",
    "distilled_infonce",
    "distilled_infonce_reference",
    "distilled_rows",
    "infonce",
    "infonce_directions",
    "infonce_distributed",
    "infonce_reference",
    "late_interaction",
    "late_interaction_reference",
    "sigmoid_pairs",
    "sigmoid_pairs_distributed",
    "sigmoid_pairs_reference",
    "soft_cross_entropy_reference",
    "soft_target_infonce_reference",
]
