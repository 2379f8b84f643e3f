from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.event_order import compose_events, draw_events, join_texts, reordered_texts


def test_texts_are_joined_by_order_words() -> None:
    assert join_texts(["rain", "sun"]) == "first rain, then sun"
    assert join_texts(["a", "b", "c", "d"]) == "first a, then b, then c, finally d"
    assert join_texts(["{}", "b"]) == "first {}, then b"


def test_every_other_order_once_and_none_that_reads_the_same() -> None:
    assert reordered_texts(["a", "b"]) == ("first b, then a",)
    three = reordered_texts(["a", "b", "c"])
    assert len(three) == len(set(three)) == 5 and join_texts(["a", "b", "c"]) not in three
    assert reordered_texts(["a", "a"]) == ()
    assert set(reordered_texts(["a", "a", "b"])) == {join_texts(["a", "b", "a"]), join_texts(["b", "a", "a"])}


@given(
    lengths=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), min_size=2, max_size=4),
    trim=st.floats(0, 0.99),
    seed=st.integers(0, 20),
)
def test_spans_tile_the_recording_without_padding(lengths: list[tuple[int, int]], trim: float, seed: int) -> None:
    # Frame value = event * 100 + frame; padding is negative.
    clips = [
        torch.cat([100.0 * event + torch.arange(real), torch.full((padding,), -1.0)])[:, None]
        for event, (real, padding) in enumerate(lengths)
    ]
    texts = [f"event {event}" for event in range(len(lengths))]
    found = compose_events(
        clips, texts, lengths=[real for real, _ in lengths], trim=trim, generator=torch.Generator().manual_seed(seed)
    )
    assert found.spans[0][0] == 0 and found.spans[-1][1] == len(found.frames)
    assert all(one[1] == other[0] for one, other in zip(found.spans, found.spans[1:], strict=False))
    for event, ((first, stop), (real, _)) in enumerate(zip(found.spans, lengths, strict=True)):
        values = found.frames[first:stop, 0]
        assert len(values) >= 1 and len(values) >= int((1 - trim) * real - 0.5)
        assert torch.equal(values, values[0] + torch.arange(float(len(values))))
        assert 100 * event <= float(values[0]) and float(values[-1]) < 100 * event + real
    assert found.text == join_texts(texts) and found.reordered == reordered_texts(texts)
    if trim == 0:
        assert len(found.frames) == sum(real for real, _ in lengths)


def test_events_are_drawn_from_different_groups_of_one_domain() -> None:
    group, domain = [0, 0, 1, 2, 3, 4], [7, 7, 7, 8, 8, 7]
    seen = set()
    for seed in range(60):
        chosen = draw_events(group, domain, 2, generator=torch.Generator().manual_seed(seed))
        assert len({group[i] for i in chosen}) == 2 and len({domain[i] for i in chosen}) == 1
        seen.add(chosen)
    assert len(seen) > 8
    with pytest.raises(ValueError, match="no domain has more than 3"):
        draw_events(group, domain, 4)


def test_refuses_what_does_not_make_a_recording() -> None:
    clip = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="two or more"):
        compose_events([clip], ["a"])
    with pytest.raises(ValueError, match="one of each"):
        compose_events([clip, clip], ["a"])
    with pytest.raises(ValueError, match="one of each"):
        compose_events([clip, clip], ["a", "b"], trim=1.0)
    with pytest.raises(ValueError, match="one at least"):
        compose_events([clip, clip], ["a", "b"], lengths=[2, 0])
    with pytest.raises(ValueError, match="do not make one recording"):
        compose_events([clip, torch.zeros(2, 4)], ["a", "b"])
    with pytest.raises(ValueError, match=r"with '\{\}' in each"):
        join_texts(["a", "b"], ("first", "then {}", "last {}"))
