import torch
from torch import nn

from crossmod.fusion.bridged_encoder import PairPooler
from crossmod.fusion.multi_source import MultiSourceEncoder
from crossmod.fusion.pair_head import PairHead
from crossmod.fusion.resampler import Source
from crossmod.objectives.local.token_transformer import TokenTransformer


def test_head_is_its_formula_and_order_matters():
    head, first, second = PairHead(6), torch.randn(3, 6), torch.randn(3, 6)
    one, _, norm, two = head.layers
    expected = two(norm(nn.functional.gelu(one(torch.cat([first, second], -1)))))
    torch.testing.assert_close(head(first, second), expected)
    assert not torch.allclose(head(second, first), expected)


def counting(count, draw):
    """Two sets of up to six items each; the statement is that the first, or the second, holds more."""
    first, more = (torch.randint(low, 7, (count,), generator=draw) for low in (1, 2))
    # Every pair of different counts is equally likely, so the statement alone tells nothing.
    holds = torch.stack([first, (first + more - 2) % 6 + 1], 1)
    second = torch.randint(0, 2, (count,), generator=draw)
    label = (holds.gather(1, second[:, None])[:, 0] > holds.gather(1, 1 - second[:, None])[:, 0]).long()
    return holds, second, label


def accuracies(*, shuffled):
    """On fresh pairs: a fusion encoder, a bridge to a plain transformer, and a head that reads the statement alone."""
    draw = torch.Generator().manual_seed(0)
    item, words = torch.randn(8, generator=draw), torch.randn(2, 2, 16, generator=draw)
    encoder, pool, head = MultiSourceEncoder(16, 2, 1, {"items": 8}), PairPooler(16), PairHead(32)
    project, mixer, prompt = nn.Linear(8, 16), TokenTransformer(16, 1, 2), nn.Parameter(torch.zeros(3, 1, 16))
    bridge, text_only = nn.Linear(16, 2), nn.Linear(32, 2)
    modules = nn.ModuleList([encoder, pool, head, project, mixer, bridge, text_only])
    optimiser = torch.optim.Adam([*modules.parameters(), prompt], lr=5e-3)

    def logits(holds, second):
        text, pooled, line, seen = words[second], [], [], []
        for side in range(2):
            # One real token beside the items: attention then reads a share, and the share tells the count.
            real = torch.arange(7) < holds[:, side : side + 1] + 1
            tokens = torch.cat([torch.zeros(len(text), 1, 8), item.expand(len(text), 6, -1)], 1)
            fused = encoder(text, None, {"items": Source(tokens, real)})
            pooled.append(pool(fused, fused))
            line.append(project(tokens) + prompt[side])
            seen.append(real)
        line = torch.cat([text + prompt[2], *line], 1)
        mixed = mixer(line, torch.cat([torch.ones(len(text), 2, dtype=torch.bool), *seen], 1))
        return {"fusion": head(*pooled), "bridge": bridge(mixed[:, 0]), "text": text_only(text.flatten(1))}

    def drawn(count):
        holds, second, label = counting(count, draw)
        return holds, second, torch.randint(0, 2, label.shape, generator=draw) if shuffled else label

    for _ in range(150):
        holds, second, label = drawn(64)
        loss = sum(nn.functional.cross_entropy(each, label) for each in logits(holds, second).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    holds, second, label = drawn(4000)
    with torch.no_grad():
        found = logits(holds, second)
    return {name: (each.argmax(-1) == label).float().mean().item() for name, each in found.items()}


def test_a_fusion_compares_two_inputs_under_a_statement_where_text_alone_cannot():
    found = accuracies(shuffled=False)
    assert found["fusion"] - found["text"] > 0.3 and abs(found["text"] - 0.5) < 0.05


def test_of_shuffled_labels_no_architecture_makes_anything():
    # Of 4000 pairs a deviation is 0.008.
    assert all(abs(accuracy - 0.5) < 0.05 for accuracy in accuracies(shuffled=True).values())
