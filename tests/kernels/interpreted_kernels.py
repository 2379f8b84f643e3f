"""The Triton kernels under Triton's interpreter, started by test_cuda_engine.py with TRITON_INTERPRET=1.

Prints, for each case, the largest relative difference between the Triton and the torch engine as JSON.
"""

from __future__ import annotations

import json

import torch

from crossmod_kernels import cwcl, infonce, sigmoid_pairs


def differentiate(loss, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = loss(*leaves)
    value.backward()
    return [value.detach(), *(leaf.grad for leaf in leaves)]


def losses(group_a, group_b, source):
    """Every path of the engine: sums, kept tiles, listed pairs, group sums, tiled weights, sigmoids."""
    groups = {"group_a": group_a, "group_b": group_b}
    same = {"group_a": group_a * 0, "group_b": group_b * 0}

    def numbers(options):
        return lambda x, y, s, backend: sigmoid_pairs(x, y, s, -s / 4, backend=backend, **options)

    def contrast(options):
        return lambda x, y, s, backend: infonce(x, y, s, backend=backend, **options)

    return {
        "identity": contrast({"memory": "recompute"}),
        "kept": contrast({"memory": "keep"}),
        "kept in bf16": contrast({"memory": "keep-bf16"}),
        "listed groups": contrast({**groups, "memory": "recompute"}),
        "one group": contrast({**same, "memory": "recompute"}),
        "unnormalised": contrast({"normalise": False}),
        "affine weights": lambda x, y, s, backend: cwcl(x, y, s, source_ab=source, backend=backend),
        "tiled weights": lambda x, y, s, backend: cwcl(x, y, s, source_ab=source, power=2.0, backend=backend),
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
