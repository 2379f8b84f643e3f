"""Every logged quantity is drawn, with what belongs together in one chart and no scale hiding another."""

from __future__ import annotations

from xml.etree import ElementTree

from crossmod_report import run_curves

SPACE = "{http://www.w3.org/2000/svg}"


def titles(charts) -> list[str]:
    return [ElementTree.fromstring(chart).find(f"{SPACE}text").text for chart in charts]


def texts(chart) -> set[str]:
    return {node.text for node in ElementTree.fromstring(chart).iter(f"{SPACE}text")}


def rows(split: str, **values) -> list[dict]:
    return [{"step": step, "split": split, **{key: value * step for key, value in values.items()}} for step in (0, 1)]


def test_the_order_is_loss_terms_measured_rate_speed():
    charts = run_curves(
        [
            *rows("train", pairs_per_second=9, learning_rate=1e-3, grad_norm=5, loss=2, **{"loss/a": 1, "loss/b": 1}),
            *rows("validation", loss=3, **{"retrieval/recall@1": 0.5}),
        ]
    )
    assert titles(charts) == [
        "loss",
        "loss terms, train",
        "retrieval, validation",
        "grad_norm, train",
        "learning rate, train",
        "pairs per second, train",
    ]


def test_the_loss_of_both_splits_is_compared_in_one_chart():
    (chart,) = run_curves([*rows("train", loss=2), *rows("validation", loss=3)])
    assert {"train", "validation"} <= texts(chart)


def test_shares_of_one_family_are_together_and_a_rank_among_them_is_apart():
    values = {"r/recall@1": 0.4, "r/recall@5": 0.9, "r/median_rank": 300}
    charts = run_curves(rows("validation", **values))
    assert titles(charts) == ["r, validation", "r/median_rank, validation"]
    assert {"recall@1", "recall@5"} <= texts(charts[0])


def test_flat_names_group_by_what_stands_before_at():
    charts = run_curves(rows("validation", recall_at_1=0.4, recall_at_5=0.9, map=0.5))
    assert titles(charts) == ["recall, validation", "map, validation"]


def test_chance_stands_in_the_chart_of_its_quantity_only():
    first, second = run_curves(rows("validation", accuracy=0.9, recall=0.5), chance={"recall": 0.1})
    assert "chance 0.1" in texts(second)
    assert "chance 0.1" not in texts(first)


def test_speed_is_derived_from_times_when_none_was_logged():
    timed = [{"step": step, "time": step / 2, "loss": 1.0} for step in (0, 10, 20)]
    assert titles(run_curves(timed)) == ["loss, train", "throughput, train"]
    assert "steps per second" in texts(run_curves(timed)[1])


def test_long_training_series_are_smoothed_and_validation_is_not():
    long = [{"step": step, "split": "train", "loss": step % 7} for step in range(500)]
    held_out = [{"step": step, "split": "validation", "loss": step % 7} for step in range(500)]

    def faint(charts):
        return charts[0].count('stroke-opacity="0.3"')

    assert faint(run_curves(long)) == 1
    assert faint(run_curves(held_out)) == 0


def test_nothing_logged_makes_no_chart():
    assert run_curves([]) == []
