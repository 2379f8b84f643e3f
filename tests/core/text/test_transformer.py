import pytest
import torch
from torch.nn import functional

from crossmod.errors import UserError
from crossmod.text.byte_pair import MASK, SPECIALS, BytePairProcessor
from crossmod.text.transformer import TextTransformerTower

TEXTS = [f"a {kind} of {n} {'very ' * (n % 7)}small things" for kind in ("cloud", "graph", "scan") for n in range(16)]


@pytest.fixture(scope="module")
def processor():
    return BytePairProcessor.fit(TEXTS, vocabulary=320, length=24)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def tower(processor, **changes):
    return TextTransformerTower(processor, **{"width": 32, "depth": 2, "heads": 4, **changes})


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
def test_a_text_alone_equals_the_text_among_longer_ones(processor, pooling):
    model = tower(processor, pooling=pooling, dropout=0.5).eval()
    together = model(processor(TEXTS))
    for row in (0, 13, 47):
        alone = model(processor([TEXTS[row]]))
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.tokens[row][together.mask[row]], alone.tokens[0], atol=1e-5, rtol=0)
        assert not together.tokens[row][~together.mask[row]].any()


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
def test_packing_changes_the_speed_alone(processor, pooling):
    packed = tower(processor, pooling=pooling).double()
    plain = tower(processor, pooling=pooling, packed=False).double()
    plain.load_state_dict(packed.state_dict())
    inputs = processor(TEXTS)
    assert inputs.lengths().unique().numel() > 3
    for output in zip(packed(inputs)[:3], plain(inputs)[:3], strict=True):
        torch.testing.assert_close(*output, atol=1e-5, rtol=0)
    for model in (packed, plain):
        model(inputs).pooled.square().sum().backward()
    for a, b in zip(packed.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
def test_gradients_reach_every_parameter(processor, pooling):
    model = tower(processor, pooling=pooling, dropout=0.1)
    features = model(processor(TEXTS))
    (features.pooled * torch.randn_like(features.pooled)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_positions_count(processor):
    model = tower(processor).eval()
    a, b = model(processor(["small cloud things", "things cloud small"])).pooled
    assert (a - b).norm() > 1e-3


def test_tokens_all_kept_encode_to_the_forward_pass(processor):
    model = tower(processor).eval()
    inputs = processor(TEXTS)
    tokens = model.tokenise(inputs)
    features = model.encode(tokens, torch.ones_like(tokens.mask))
    torch.testing.assert_close(features.pooled, model(inputs).pooled)


def test_targets_are_ids_and_specials_cannot_be_masked(processor):
    inputs = processor(TEXTS[:5])
    tokens = tower(processor).tokenise(inputs)
    ids, real = inputs.padded()
    assert torch.equal(tokens.targets, ids)
    assert torch.equal(tokens.mask, real & (ids >= len(SPECIALS)))
    assert int(tokens.targets.max()) < tower(processor).vocabulary


def test_a_hidden_token_is_the_mask_token_and_nothing_of_it_is_seen(processor):
    model = tower(processor).eval()
    inputs = processor(["a graph of 3 small things", "a cloud of 3 small things"])
    tokens = model.tokenise(inputs)
    differ = tokens.targets[0] != tokens.targets[1]
    assert int(differ.sum()) == 1
    seen, hidden = (model.encode(tokens, keep.expand(2, -1)) for keep in (torch.ones_like(differ), ~differ))
    assert (seen.pooled[0] - seen.pooled[1]).norm() > 1e-3
    torch.testing.assert_close(hidden.pooled[0], hidden.pooled[1])
    spelled = tokens.targets.masked_fill(differ, MASK)
    torch.testing.assert_close(
        model.encode(tokens._replace(values=model.embedding(spelled)), torch.ones_like(tokens.mask)), hidden
    )


def test_hiding_padding_changes_nothing(processor):
    model = tower(processor).eval()
    tokens = model.tokenise(processor([TEXTS[0], TEXTS[6]]))
    torch.testing.assert_close(
        model.encode(tokens, tokens.context).pooled, model.encode(tokens, torch.ones_like(tokens.context)).pooled
    )


def test_no_texts_give_no_features(processor):
    features = tower(processor)(processor(TEXTS).take(torch.zeros(0, dtype=torch.int64)))
    assert features.pooled.shape == (0, 32)
    assert features.tokens.shape[::2] == (0, 32)


def test_the_same_seed_gives_the_same_numbers(processor):
    def numbers():
        torch.manual_seed(3)
        model = tower(processor, dropout=0.3)
        model(processor(TEXTS)).pooled.sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    assert torch.equal(numbers(), numbers())


def test_tokens_keep_their_scale_through_a_deep_tower(processor):
    model = tower(processor, depth=12, width=64).eval()
    entered = []
    model.norm.register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    model(processor([TEXTS[0]]))
    assert 0.05 < float(entered[0].detach().std()) < 3


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
def test_it_learns_to_tell_texts_apart(processor, pooling):
    texts = TEXTS[:16]
    model, head = tower(processor, pooling=pooling), torch.nn.Linear(32, len(texts))
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=3e-3)
    inputs, labels = processor(texts), torch.arange(len(texts))
    for _ in range(80):
        loss = functional.cross_entropy(head(model(inputs).pooled), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(head(model(inputs).pooled).argmax(1), labels)
    assert loss < 0.3


def test_it_learns_to_fill_hidden_tokens_in(processor):
    model = tower(processor)
    head = torch.nn.Linear(32, model.vocabulary)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=3e-3)
    losses = []
    for _ in range(60):
        tokens = model.tokenise(processor(TEXTS))
        hidden = tokens.mask & (torch.rand(tokens.mask.shape) < 0.3)
        features = model.encode(tokens, ~hidden)
        loss = functional.cross_entropy(head(features.tokens[hidden]), tokens.targets[hidden])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_autocast_keeps_features_finite_and_near(processor):
    model = tower(processor).eval()
    inputs = processor(TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        near = model(inputs).pooled
    torch.testing.assert_close(near.float(), model(inputs).pooled, atol=0.1, rtol=0)


def test_hostile_texts_are_encoded(processor):
    model = tower(processor).eval()
    hostile = ["👩🏽‍🔬", "\x00", "\u202eשלום", "x" * 1_000_000, "[MASK]", "\ufeff\x1b[0m"]
    assert model(processor(hostile)).pooled.isfinite().all()


def test_settings_that_cannot_work_are_refused(processor):
    with pytest.raises(UserError, match="does not divide into 5 heads"):
        tower(processor, heads=5)
    with pytest.raises(UserError, match="pooling is 'max'"):
        tower(processor, pooling="max")
