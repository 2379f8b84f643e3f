import torch
from torch import nn

from crossmod.fusion.bridged_encoder import PairPooler
from crossmod.fusion.multi_source import MultiSourceEncoder
from crossmod.fusion.pair_head import PairHead
from crossmod.fusion.resampler import Source


def test_head_is_its_formula_and_order_matters():
    head, first, second = PairHead(6), torch.randn(3, 6), torch.randn(3, 6)
    one, _, norm, two = head.layers
    expected = two(norm(nn.functional.gelu(one(torch.cat([first, second], -1)))))
    torch.testing.assert_close(head(first, second), expected)
    assert not torch.allclose(head(second, first), expected)


def counting(count, draw):
    """Two sets of up to six items each; the statement is that the first, or the second, holds more."""
    holds = torch.randint(1, 7, (count, 2), generator=draw)
    holds[:, 1] = torch.where(holds[:, 0] == holds[:, 1], holds[:, 1] % 6 + 1, holds[:, 1])
    second = torch.randint(0, 2, (count,), generator=draw)
    label = (holds.gather(1, second[:, None])[:, 0] > holds.gather(1, 1 - second[:, None])[:, 0]).long()
    return holds, second, label


def test_a_fusion_compares_two_inputs_under_a_statement_where_text_alone_cannot():
    draw = torch.Generator().manual_seed(0)
    item, words = torch.randn(8, generator=draw), torch.randn(2, 2, 16, generator=draw)
    encoder, pool, head = MultiSourceEncoder(16, 2, 1, {"items": 8}), PairPooler(16), PairHead(32)
    text_only = nn.Linear(32, 2)
    modules = nn.ModuleList([encoder, pool, head, text_only])
    optimiser = torch.optim.Adam(modules.parameters(), lr=5e-3)

    def logits(holds, second):
        text, pooled = words[second], []
        for side in range(2):
            # One real token beside the items: attention then reads a share, and the share tells the count.
            real = torch.arange(7) < holds[:, side : side + 1] + 1
            tokens = torch.cat([torch.zeros(len(text), 1, 8), item.expand(len(text), 6, -1)], 1)
            fused = encoder(text, None, {"items": Source(tokens, real)})
            pooled.append(pool(fused, fused))
        return head(*pooled), text_only(text.flatten(1))

    for _ in range(150):
        holds, second, label = counting(64, draw)
        loss = sum(nn.functional.cross_entropy(each, label) for each in logits(holds, second))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    holds, second, label = counting(1000, draw)
    fused, blind = ((each.argmax(-1) == label).float().mean().item() for each in logits(holds, second))
    assert fused - blind > 0.3 and abs(blind - 0.5) < 0.08
