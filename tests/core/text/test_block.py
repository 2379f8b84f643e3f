import pytest
import torch

from crossmod.text.block import AttentionPooling, TransformerBlock, masked_mean


def padded(block_input, mask, filler):
    return torch.where(mask[..., None], block_input, filler)


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64)
    return values, torch.arange(5) < torch.tensor([5, 2, 1])[:, None]


def slow_block(block, sequence):
    """One sequence without padding, head by head, as the papers write it."""
    normed = block.attention_norm(sequence)
    query, key, value = block.query_key_value(normed).chunk(3, -1)
    size, heads = sequence.shape[1] // block.heads, []
    for head in range(block.heads):
        own = slice(head * size, (head + 1) * size)
        weights = torch.softmax(query[:, own] @ key[:, own].T / size**0.5, -1)
        heads.append(weights @ value[:, own])
    sequence = sequence + block.attention_out(torch.cat(heads, -1))
    return sequence + block.mlp_out(torch.nn.functional.gelu(block.mlp_in(block.mlp_norm(sequence))))


def test_block_equals_the_slow_reference(tokens):
    values, mask = tokens
    block = TransformerBlock(8, heads=2, expansion=4, dropout=0.0, depth=1).double()
    out = block(values, mask)
    for row, real in zip(range(3), mask, strict=True):
        torch.testing.assert_close(out[row, real], slow_block(block, values[row, real]))


def test_padding_has_no_part_in_real_tokens(tokens):
    values, mask = tokens
    block = TransformerBlock(8, heads=2, expansion=4, dropout=0.0, depth=1).double()
    other = torch.where(mask[..., None], values, torch.full_like(values, 1e3))
    torch.testing.assert_close(block(values, mask)[mask], block(other, mask)[mask])


def test_attention_pooling_equals_a_softmax_per_head(tokens):
    values, mask = tokens
    pooling = AttentionPooling(8, heads=2).double()
    pooled = pooling(values, mask)
    for row, real in zip(range(3), mask, strict=True):
        key, value = pooling.key_value(values[row, real]).chunk(2, -1)
        heads = [
            torch.softmax(key[:, own] @ pooling.query[own] / 2, 0) @ value[:, own] for own in (slice(0, 4), slice(4, 8))
        ]
        torch.testing.assert_close(pooled[row], pooling.out(torch.cat(heads)))


def test_masked_mean_is_the_mean_of_real_tokens(tokens):
    values, mask = tokens
    expected = torch.stack([row[real].mean(0) for row, real in zip(values, mask, strict=True)])
    torch.testing.assert_close(masked_mean(values, mask), expected)
    assert torch.equal(masked_mean(values, torch.zeros_like(mask)), torch.zeros(3, 8, dtype=torch.float64))


def test_gradients_agree_with_finite_differences(tokens):
    values, mask = tokens
    block = TransformerBlock(8, heads=2, expansion=2, dropout=0.0, depth=1).double()
    pooling = AttentionPooling(8, heads=2).double()
    values = values.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pooling(block(x, mask), mask), (values,))
