"""The Triton kernels under Triton's interpreter, started by test_cuda_engine.py with TRITON_INTERPRET=1.

Prints, for each case, the largest relative difference between the Triton and the torch engine as JSON.
"""

from __future__ import annotations

import json

import torch

from crossmod_kernels import cwcl, distilled_infonce, infonce, late_interaction, sigmoid_pairs


def differentiate(loss, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = loss(*leaves)
    value.backward()
    return [value.detach(), *(leaf.grad for leaf in leaves)]


def interacting(x, y, lengths, *, masked, backend):
    """Late interaction of the rows of x and y, cut into samples of so many tokens."""
    masks = (None, None)
    if masked:
        generator = torch.Generator().manual_seed(1)
        sizes = [(len(rows) // length, length) for rows, length in zip((x, y), lengths, strict=True)]
        masks = tuple(torch.rand(size, generator=generator) > 0.3 for size in sizes)
        for mask in masks:
            mask[:, 0] = True
    tokens = (rows.view(-1, length, rows.shape[1]) for rows, length in zip((x, y), lengths, strict=True))
    return late_interaction(*tokens, *masks, tile=(4, 8), backend=backend)


def weighed(scores):
    ab, ba = scores
    return (ab * torch.arange(ab.numel(), dtype=ab.dtype).view_as(ab)).mean() + ba.square().sum()


def losses(group_a, group_b, source):
    """Every path of the engine: sums, kept tiles, listed pairs, group sums, tiled weights, sigmoids."""
    groups = {"group_a": group_a, "group_b": group_b}
    same = {"group_a": group_a * 0, "group_b": group_b * 0}

    def numbers(options):
        return lambda x, y, s, backend: sigmoid_pairs(x, y, s, -s / 4, backend=backend, **options)

    def contrast(options):
        return lambda x, y, s, backend: infonce(x, y, s, backend=backend, **options)

    def late(masked, lengths):
        return lambda x, y, s, backend: s * weighed(interacting(x, y, lengths, masked=masked, backend=backend))

    def distilled(x, y, s, backend):
        teacher = {"teacher_a": source[: len(x)], "teacher_b": source[: len(y)], "teacher_scale": 9.0}
        return distilled_infonce(x, y, s, **teacher, backend=backend)

    return {
        "identity": contrast({"memory": "recompute"}),
        "kept": contrast({"memory": "keep"}),
        "kept in bf16": contrast({"memory": "keep-bf16"}),
        "listed groups": contrast({**groups, "memory": "recompute"}),
        "one group": contrast({**same, "memory": "recompute"}),
        "unnormalised": contrast({"normalise": False}),
        "affine weights": lambda x, y, s, backend: cwcl(x, y, s, source_ab=source, backend=backend),
        "tiled weights": lambda x, y, s, backend: cwcl(x, y, s, source_ab=source, power=2.0, backend=backend),
        "soft targets": distilled,
        "late interaction": late(False, (25, 30)),
        "late interaction, padded": late(True, (10, 25)),
        "late interaction, long": late(True, (25, 150)),
        "sigmoid": numbers({}),
        "sigmoid groups": numbers(groups),
        "sigmoid one group": numbers(same),
        "sigmoid negatives": numbers({"negative_only": True}),
    }


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    errors = {}
    for dtype in (torch.float32, torch.float64):
        a, b, source = (torch.randn(size, 6, generator=generator, dtype=dtype) for size in (50, 150, 150))
        group_b = torch.randint(0, 80, (150,), generator=generator)
        group_a = group_b[torch.randint(0, 150, (50,), generator=generator)]
        for scale in (14.0, 90.0):
            number = torch.tensor(scale, dtype=dtype)
            for name, loss in losses(group_a, group_b, source).items():
                one, other = (
                    differentiate(lambda x, y, s, loss=loss, use=use: loss(x, y, s, use), a, b, number)
                    for use in ("triton", "torch")
                )
                error = max(float((p - q).abs().max() / q.abs().max()) for p, q in zip(one, other, strict=True))
                errors[f"{name}, {dtype}, scale {scale}"] = error
    nan = a.clone()
    nan[3, 2] = torch.nan
    for name, loss in losses(group_a, group_b, source).items():
        errors[f"poisoned {name}"] = loss(nan, b, number, "triton").item()
    print(json.dumps(errors))


if __name__ == "__main__":
    main()
