"""Attention that takes joints in windows and frames in strides, with one token that goes through all of them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.residual import Residual


class JointStrideAttention(nn.Module):
    """Neighbouring joints of one frame attend to each other and to the cross-modal token, window by window.

    Kim, Ahn and Ko (ICCV 2023) describe it; window, stride and averaging are [ours], not verified: windows start every
    `stride` joints, a last one ends at the last joint, what a joint gains is averaged over its windows, and what the
    cross-modal token gains over all windows that hold a real joint. Pre-norm with residuals.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        window: Joints of a window, in an order that keeps body parts together.
        stride: Joints from one window to the next.

    Raises:
        ValueError: The stride leaves joints out.
    """

    def __init__(self, width: int, heads: int, *, window: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= window:
            raise ValueError(f"windows of {window} joints every {stride} leave joints out; take a stride of 1..window.")
        self.window, self.stride = window, stride
        self.attention, self.norm = MultiHeadAttention(width, heads), nn.LayerNorm(width)

    def starts(self, joints: int) -> list[int]:
        """First joint of every window."""
        last = max(0, joints - self.window)
        regular = list(range(0, last + 1, self.stride)) if joints else []
        return regular if not regular or regular[-1] == last else [*regular, last]

    def forward(
        self,
        joints: Float[Tensor, "batch frames joints width"],
        cross: Float[Tensor, "batch 1 width"],
        mask: Bool[Tensor, "batch frames joints"] | None = None,
    ) -> tuple[Float[Tensor, "batch frames joints width"], Float[Tensor, "batch 1 width"]]:
        """Transform joints and cross-modal token; without a frame or joint both come back as they are.

        Shape:
            mask: [batch, frames, joints]; true = joint that was seen.

        Raises:
            ValueError: The mask does not fit, or joints and token differ in their number of rows.
        """
        require_one_batch(joints=joints, cross=cross)
        frames, count = joints.shape[1:3]
        if mask is None:
            mask = joints.new_ones(joints.shape[:3], dtype=torch.bool)
        if mask.dtype != torch.bool or mask.shape != joints.shape[:3]:
            raise ValueError(f"mask is {mask.dtype} {tuple(mask.shape)}; it has to be bool {tuple(joints.shape[:3])}.")
        if not frames * count:
            return joints, cross
        real = mask.flatten(0, 1)
        held = joints.flatten(0, 1).masked_fill(~real[..., None], 0.0)
        # The token stands once before every frame's joints: every window of every frame reads and writes its copy.
        everything = torch.cat([cross.repeat_interleave(frames, 0), held], 1)
        gained = self._gain(self.norm(everything), real, frames)
        grown = joints + gained[:, 1:].view_as(joints)
        return grown, cross + gained[::frames, :1]

    def _gain(
        self, normed: Float[Tensor, "rows length width"], real: Bool[Tensor, "rows joints"], frames: int
    ) -> Float[Tensor, "rows length width"]:
        """Mean over windows for joints, over windows and frames for the cross-modal token."""
        token, joints = normed[:, :1], normed[:, 1:]
        gain, windows = torch.zeros_like(joints), joints.new_zeros(joints.shape[1])
        of_token, used = torch.zeros_like(token), normed.new_zeros(len(normed), 1, 1)
        seen = real.new_ones(len(real), 1)
        for start in self.starts(joints.shape[1]):
            place = slice(start, start + self.window)
            held = torch.cat([token, joints[:, place]], 1)
            read = self.attention(held, held, torch.cat([seen, real[:, place]], 1))
            gain[:, place] = gain[:, place] + read[:, 1:]
            windows[place] += 1
            holds = real[:, place].any(1)[:, None, None].to(read.dtype)
            of_token, used = of_token + holds * read[:, :1], used + holds
        batch, width = len(normed) // frames, normed.shape[-1]
        total = of_token.view(batch, frames, width).sum(1)
        share = total / used.view(batch, frames, 1).sum(1).clamp(min=1)
        of_token = share[:, None].repeat_interleave(frames, 0)
        return torch.cat([of_token, gain / windows[:, None]], 1)


class TemporalStrideAttention(nn.Module):
    """Every `stride`-th frame goes on; its tokens and the cross-modal token attend to each other.

    Kim, Ahn and Ko (ICCV 2023) let deeper blocks see fewer frames; the factor is not verified. [ours]: block l keeps
    frames t with t mod 2^(l-1) = 0, which is stride 1 in the first block and 2 in each one after.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        stride: Frames from one that is kept to the next.

    Raises:
        ValueError: The stride is below one.
    """

    def __init__(self, width: int, heads: int, *, stride: int = 2) -> None:
        super().__init__()
        if stride < 1:
            raise ValueError(f"frames are kept with stride {stride}; take at least 1.")
        self.stride = stride
        self.attention, self.residual = MultiHeadAttention(width, heads), Residual(width)

    def kept_frames(self, frames: int) -> int:
        """How many frames go on."""
        return -(-frames // self.stride)

    def forward(
        self,
        tokens: Float[Tensor, "batch frames length width"],
        cross: Float[Tensor, "batch 1 width"],
        mask: Bool[Tensor, "batch frames length"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch kept length width"],
        Float[Tensor, "batch 1 width"],
        Bool[Tensor, "batch kept length"] | None,
    ]:
        """The tokens of the kept frames, the cross-modal token, and the mask of the kept frames.

        Shape:
            mask: [batch, frames, length]; true = real token.

        Raises:
            ValueError: Tokens, cross-modal token and mask do not fit each other.
        """
        require_one_batch(tokens=tokens, cross=cross)
        if mask is not None and (mask.dtype != torch.bool or mask.shape != tokens.shape[:3]):
            raise ValueError(f"mask is {mask.dtype} {tuple(mask.shape)}; it has to be bool {tuple(tokens.shape[:3])}.")
        tokens = tokens[:, :: self.stride]
        kept = None if mask is None else mask[:, :: self.stride]
        held = torch.cat([cross, tokens.flatten(1, 2)], 1)
        real = None
        if kept is not None:
            real = torch.cat([kept.new_ones(len(kept), 1), kept.flatten(1)], 1)
        held = self.residual(held, lambda normed: self.attention(normed, normed, real))
        return held[:, 1:].view_as(tokens), held[:, :1], kept
