import pytest
import torch
from torch import nn

from crossmod.fusion.co_attention import RegionEmbedding
from crossmod.fusion.masks import QUERY_TEXT_MASKS
from crossmod.fusion.resampler import QueryGroup, QueryResampler, Source
from crossmod.fusion.segment_positions import SegmentPositions

IMAGE, OBJECT = QueryGroup(count=3, source_width=6), QueryGroup(count=2, source_width=5)


def single(**options):
    return QueryResampler(8, 2, 2, {"image": IMAGE}, **options)


@pytest.fixture
def both():
    return QueryResampler(8, 2, 2, {"image": IMAGE, "object": OBJECT}, text=True)


@pytest.fixture
def sources():
    return {"image": Source(torch.randn(2, 4, 6)), "object": Source(torch.randn(2, 3, 5))}


@pytest.mark.parametrize("keys", [0, 1, 7])
def test_any_number_of_tokens_becomes_the_same_number_of_queries(keys):
    out = single(out_width=12)({"image": Source(torch.randn(2, keys, 6))})
    assert out.queries.shape == (2, 3, 12) and out.queries.isfinite().all() and out.text is None
    assert out.mask.all() == (keys > 0)


def test_one_layer_is_self_cross_mlp_with_post_norms():
    resampler = QueryResampler(8, 2, 1, {"image": IMAGE})
    x, layer = torch.randn(2, 4, 6), resampler.layers[0]
    q = resampler.enter(resampler.queries["source_image"]).expand(2, -1, -1)
    q = layer.own_residual.norm(q + layer.own(q, q))
    q = layer.cross_residual.norm(q + layer.cross["source_image"](q, x))
    q = layer.mlp_residual.norm(q + layer.mlp(q))
    torch.testing.assert_close(resampler({"image": Source(x)}).queries, q)


def slow_resampler(resampler, image, objects, text):
    """Layer by layer: queries and text attend to each other, each set to its source, and each kind has an MLP."""
    count = len(resampler.queries["source_image"])
    queries = torch.cat([resampler.queries["source_image"], resampler.queries["source_object"]])
    held = torch.cat([resampler.enter(queries).expand(len(text), -1, -1), text], 1)
    for layer in resampler.layers:
        held = layer.own_residual.norm(held + layer.own(held, held))
        of_image, of_object, words = held[:, :count], held[:, count : len(queries)], held[:, len(queries) :]
        of_image = layer.cross_residual.norm(of_image + layer.cross["source_image"](of_image, image))
        of_object = layer.cross_residual.norm(of_object + layer.cross["source_object"](of_object, objects))
        read = torch.cat([of_image, of_object], 1)
        read = layer.mlp_residual.norm(read + layer.mlp(read))
        words = layer.text_residual.norm(words + layer.text_mlp(words))
        held = torch.cat([read, words], 1)
    return held[:, : len(queries)], held[:, len(queries) :]


def test_two_sets_of_queries_and_text_equal_the_slow_form(both, sources):
    text = torch.randn(2, 4, 8)
    out = both(sources, text, kind="full")
    queries, words = slow_resampler(both, sources["image"].tokens, sources["object"].tokens, text)
    torch.testing.assert_close(out.queries, queries)
    torch.testing.assert_close(out.text, words)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_order_and_padding_of_a_source_do_not_matter(norm):
    resampler, x = single(norm=norm), torch.randn(2, 4, 6)
    plain = resampler({"image": Source(x)}).queries
    torch.testing.assert_close(resampler({"image": Source(x[:, torch.randperm(4)])}).queries, plain)
    padded = torch.cat([x, torch.full((2, 3, 6), torch.nan)], 1)
    mask = torch.arange(7).expand(2, -1) < 4
    torch.testing.assert_close(resampler({"image": Source(padded, mask)}).queries, plain)


def test_a_sample_without_objects_is_as_the_resampler_without_an_object_group(both, sources):
    alone = single(text=True)
    state = both.state_dict()
    alone.load_state_dict({name: state[name] for name in alone.state_dict()})
    mask = torch.tensor([[False] * 3, [True, True, False]])
    text = torch.randn(2, 4, 8)
    for kind in QUERY_TEXT_MASKS.values():
        out = both({**sources, "object": Source(sources["object"].tokens, mask)}, text, kind=kind)
        expected = alone({"image": sources["image"]}, text, kind=kind)
        torch.testing.assert_close(out.queries[0, :3], expected.queries[0])
        torch.testing.assert_close(out.text[0], expected.text[0])
        assert out.queries.isfinite().all()
        assert out.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
        assert not torch.allclose(out.queries[1, :3], expected.queries[1])
    empty = both({**sources, "object": Source(torch.empty(2, 0, 5))})
    torch.testing.assert_close(empty.queries[:, :3], alone({"image": sources["image"]}).queries)


def test_objects_are_a_set_and_padded_ones_are_nothing(both, sources):
    mask = torch.tensor([[True, True, False], [True, False, True]])
    tokens, order = sources["object"].tokens, torch.tensor([2, 0, 1])
    plain = both({**sources, "object": Source(tokens, mask)}).queries
    turned = both({**sources, "object": Source(tokens[:, order], mask[:, order])}).queries
    torch.testing.assert_close(turned, plain)
    spoiled = both({**sources, "object": Source(tokens.masked_fill(~mask[..., None], torch.nan), mask)}).queries
    assert torch.equal(spoiled, plain)


def outputs(resampler, sources, text, objective):
    return resampler(sources, text, kind=QUERY_TEXT_MASKS[objective])


def test_each_objective_lets_text_be_seen_where_it_may(both, sources):
    text = torch.randn(2, 4, 8)
    other = torch.cat([text[:, :2], torch.randn(2, 2, 8)], 1)
    plain, changed = (outputs(both, sources, x, "itc") for x in (text, other))
    assert torch.equal(plain.queries, changed.queries)
    torch.testing.assert_close(plain.queries, both(sources).queries)
    plain, changed = (outputs(both, sources, x, "icg") for x in (text, other))
    assert torch.equal(plain.queries, changed.queries) and torch.equal(plain.text[:, :2], changed.text[:, :2])
    assert not torch.allclose(plain.text[:, 2:], changed.text[:, 2:])
    plain, changed = (outputs(both, sources, x, "itm") for x in (text, other))
    assert not torch.allclose(plain.queries, changed.queries)


def test_text_hears_the_sources_only_where_it_may(both, sources):
    text, other = torch.randn(2, 4, 8), {**sources, "image": Source(torch.randn(2, 4, 6))}
    assert torch.equal(outputs(both, sources, text, "itc").text, outputs(both, other, text, "itc").text)
    for objective in ("itm", "icg"):
        assert not torch.allclose(
            outputs(both, sources, text, objective).text, outputs(both, other, text, objective).text
        )


def test_padded_text_has_no_influence(both, sources):
    text = torch.randn(2, 4, 8)
    mask = torch.arange(6).expand(2, -1) < 4
    for objective, kind in QUERY_TEXT_MASKS.items():
        plain = outputs(both, sources, text, objective)
        out = both(sources, torch.cat([text, torch.randn(2, 2, 8)], 1), mask, kind=kind)
        torch.testing.assert_close(out.queries, plain.queries)
        torch.testing.assert_close(out.text[:, :4], plain.text)


def test_gradient_reaches_every_parameter(both, sources):
    out = both(sources, torch.randn(2, 4, 8), kind="full")
    (out.queries.square().sum() + out.text.pow(3).sum()).backward()
    assert all(parameter.grad is not None for parameter in both.parameters())


def test_what_does_not_fit_is_refused(both, sources):
    with pytest.raises(ValueError, match="reads image, object and was given image"):
        both({"image": sources["image"]})
    with pytest.raises(ValueError, match="without a text branch"):
        single()({"image": sources["image"]}, torch.randn(2, 4, 8))
    with pytest.raises(ValueError, match="mask of object"):
        both({**sources, "object": Source(sources["object"].tokens, torch.ones(2, 4, dtype=torch.bool))})
    with pytest.raises(ValueError, match="'causal' mask was given prefix=5"):
        both(sources, torch.randn(2, 4, 8), kind="causal")
    with pytest.raises(ValueError, match="at least one query"):
        QueryResampler(8, 2, 1, {})


def order_accuracy(positions):
    """Train on which of two symbols comes first among four segments."""
    draw = torch.Generator().manual_seed(3)
    symbols = torch.randn(3, 6, generator=draw)
    places = torch.stack([torch.randperm(4, generator=draw)[:2] for _ in range(96)])
    kind = torch.full((96, 4), 2).scatter(1, places[:, :1], 0).scatter(1, places[:, 1:], 1)
    tokens, label = symbols[kind][:, :, None], (places[:, 0] < places[:, 1]).long()
    resampler, head = QueryResampler(16, 2, 1, {"image": QueryGroup(count=2, source_width=6)}), nn.Linear(16, 2)
    place = SegmentPositions(6, "index", segments=4) if positions else None
    modules = nn.ModuleList([resampler, head, *([place] if place else [])])
    optimiser = torch.optim.Adam(modules.parameters(), lr=1e-2)
    for _ in range(120):
        x = place(tokens)[0] if place else tokens.flatten(1, 2)
        logits = head(resampler({"image": Source(x)}).queries.mean(1))
        loss = nn.functional.cross_entropy(logits, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (logits.argmax(-1) == label).float().mean().item()


def test_order_is_learned_with_positions_and_not_without():
    assert order_accuracy(positions=True) > 0.95
    assert order_accuracy(positions=False) < 0.65


def test_a_hidden_place_is_told_by_its_object_and_not_by_anothers():
    """Masked spatial prediction: "[MASK]" stands for the cell of a square that only the object features show."""
    draw = torch.Generator().manual_seed(5)
    cells, place = 9, torch.randint(0, 9, (96,), generator=draw)
    embed = RegionEmbedding(6, 2, 5)
    resampler = QueryResampler(16, 2, 2, {"image": IMAGE, "object": OBJECT}, text=True)
    mask_token, head = nn.Parameter(torch.randn(1, 1, 16, generator=draw)), nn.Linear(16, cells)
    modules = nn.ModuleList([embed, resampler, head])
    optimiser = torch.optim.Adam([*modules.parameters(), mask_token], lr=1e-2)
    look, image = torch.randn(6, generator=draw), torch.randn(1, 4, 6, generator=draw).expand(96, -1, -1)

    def logits(cell):
        geometry = torch.stack([cell // 3, cell % 3], -1)[:, None] / 2
        objects = embed(look.expand(len(cell), 1, -1), geometry)
        out = resampler({"image": Source(image), "object": Source(objects)}, mask_token.expand(len(cell), -1, -1))
        return head(out.text[:, 0])

    for _ in range(80):
        loss = nn.functional.cross_entropy(logits(place), place)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (logits(place).argmax(-1) == place).float().mean() > 0.9
    strangers = place[torch.randperm(96, generator=draw)]
    assert (logits(strangers).argmax(-1) == place).float().mean() < 0.3
