import contextlib
import dataclasses
from functools import partial

import numpy as np
import pytest

from benchmarks._harness import Field, Rounds, race
from benchmarks._process import Contender, ContenderError, Process


def contender(name, *arguments, **more):
    return Contender(name, f"tests.benchmarks.contenders:{name}", arguments, **more)


def sevens(batch):
    return np.full((batch, 2), 7.0)


def offline(progress, *contenders, batches=(2, 4), rounds=3, seconds=0.05, task="a"):
    with Field(contenders, progress) as field:
        return field.offline(task, batches, sevens, 1e-6, Rounds(rounds, seconds))


def test_every_round_measures_every_contender(progress, printed):
    found = offline(progress, contender("slow"), contender("fast"))
    counts = {name: {batch: len(rounds) for batch, rounds in by.items()} for name, by in found.times.items()}
    assert counts == {"slow": {2: 3, 4: 3}, "fast": {2: 3, 4: 3}}
    assert printed.getvalue().splitlines() == ["starting", "a, first calls", "a"]


def test_rates_and_latencies_of_known_times(progress):
    # Sleeping takes at least the requested time, however busy the machine is.
    found = offline(progress, contender("slow"), contender("fast"))
    slow, fast = found.offline()
    for point in slow.points:
        assert 0 < point.lowest <= point.highest <= point.at / 0.02
        assert 0.02 <= point.latency.p50 <= point.latency.p90 <= point.latency.p99
    assert all(0 < point.highest <= point.at / 0.005 for point in fast.points)
    assert [point.at for point in slow.points] == [2, 4]
    assert (slow.name, slow.kind, slow.status, slow.reason) == ("slow", "peer", "measured", None)


def test_single_stream(progress):
    found = offline(progress, contender("slow"), contender("fast", items={"a": 5.0}), batches=(1,), rounds=2)
    (slow,) = found.single_stream()  # ceilings have no latency
    assert [point.at for point in slow.points] == ["p50", "p90", "p99"]
    assert all(len(point.rounds) == 2 and point.lowest >= 20.0 for point in slow.points)
    assert slow.points[0].median <= slow.points[2].median


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("wrong", "refused", "wrong output at batch 2: off by 0.5, more than 1e-06"),
        ("misshapen", "refused", "wrong output at batch 2: expected shape (2, 2), found (2, 3)"),
        ("nan", "refused", "wrong output at batch 2: off by nan, more than 1e-06"),
        ("missing", "skipped", "not installed: No module named 'a_package_that_is_not_there'"),
        ("elsewhere", "skipped", "wants another machine"),
        ("dying", "failed", "exit code 1: RuntimeError: out of luck"),
        ("tiring", "failed", "exit code 1: RuntimeError: tired"),
    ],
)
def test_dropped_contenders_have_reasons(progress, printed, name, status, reason):
    found = offline(progress, contender(name), contender("fast"), rounds=2, seconds=0.0)
    out, fast = found.offline()
    assert (out.name, out.status, out.reason, out.points) == (name, status, reason, ())
    assert fast.status == "measured"
    assert list(found.times) == ["fast"]
    assert f"{name}: {status}: {reason}" in printed.getvalue().splitlines()


def test_contender_without_answer_is_killed():
    with contextlib.closing(Process(contender("hanging"))) as process:
        process.start()
        process._patience = 5.0  # set only now, because Python may start slowly
        with pytest.raises(ContenderError) as caught:
            process.output("a", 2)
    assert (caught.value.status, str(caught.value)) == ("failed", "no answer in 5 s")


def test_wrong_output_drops_a_task_and_death_drops_all(progress):
    with Field([contender("wrong_at_b"), contender("dying"), contender("fast")], progress) as field:
        statuses = [
            [entry.status for entry in field.offline(task, (2, 4), sevens, 1e-6, Rounds(1, 0.0)).offline()]
            for task in ("a", "b", "c")
        ]
    assert statuses == [
        ["measured", "failed", "measured"],
        ["refused", "failed", "measured"],
        ["measured", "failed", "measured"],
    ]


def test_tasks_of_contenders(progress):
    with Field([contender("fast", tasks=("b",)), contender("slow")], progress) as field:
        found = {
            task: [e.name for e in field.offline(task, (2,), sevens, 1e-6, Rounds(1, 0.0)).offline()] for task in "ab"
        }
    assert found == {"a": ["slow"], "b": ["fast", "slow"]}


def test_tolerances_of_contenders(progress):
    def between(name, low, high, **more):
        return Contender(name, "tests.benchmarks.contenders:between", (low, high), **more)

    found = offline(
        progress,
        between("near", "6.9", "7.1", atol=0.2),
        between("far", "6.9", "7.3", atol=0.2),
        between("strict", "6.9", "7.1"),
        between("mean", "6.8", "7.0", mean_atol=0.15),
        between("too far on average", "6.8", "7.2", mean_atol=0.15),
        batches=(2,),
        rounds=1,
        seconds=0.0,
    )
    assert {entry.name: entry.reason for entry in found.offline()} == {
        "near": None,
        "far": "wrong output at batch 2: off by 0.3, more than 2e-01",
        "strict": "wrong output at batch 2: off by 0.1, more than 1e-06",
        "mean": None,
        "too far on average": "wrong output at batch 2: off by 0.2 on average, more than 1e-01",
    }


def test_ceiling_is_not_checked(progress):
    top = contender("wrong", kind="ceiling", items={"a": 10.0})
    (entry,) = offline(progress, top, batches=(1, 1000), rounds=1, seconds=0.0).offline()
    assert entry.status == "measured"
    assert [point.latency for point in entry.points] == [None, None]


def test_rate_is_items_per_time_of_all_calls(progress):
    times = race({"a": lambda batch, _: [batch * 1.0, batch * 3.0]}, (2, 4), Rounds(2, 0.1), progress, "race")
    assert times == {"a": {2: [[2.0, 6.0]] * 2, 4: [[4.0, 12.0]] * 2}}


def test_rounds_start_with_different_contenders(progress):
    visits = []

    def visit(name, batch, seconds):
        visits.append((name, batch, seconds))
        return [1.0]

    race({name: partial(visit, name) for name in "abc"}, (8,), Rounds(3, 0.5), progress, "race")
    assert "".join(name for name, *_ in visits) == "abcbcacab"
    assert {(batch, seconds) for _, batch, seconds in visits} == {(8, 0.5)}


def test_errors_are_raised_unless_collected(progress):
    def dies(_batch, _seconds):
        raise ContenderError("failed", "out of luck")

    with pytest.raises(ContenderError, match="out of luck"):
        race({"a": dies}, (1,), Rounds(1, 0.0), progress, "race")


def test_prints_do_not_disturb_answers(progress):
    (entry,) = offline(progress, contender("chatty"), rounds=1).offline()
    assert entry.status == "measured"


def test_contender_uses_only_its_cores(progress):
    with Field([contender("cores")], progress, cores=1, label="1 thread: ") as field:
        found = field.offline("a", (2,), lambda batch: np.full((batch, 2), 1.0), 1e-6, Rounds(1, 0.0))
    assert [entry.status for entry in found.offline()] == ["measured"]
    with Field([contender("cores")], progress, cores=100_000) as field:
        found = field.offline("a", (2,), sevens, 1e-6, Rounds(1, 0.0))
    (entry,) = found.offline()
    assert entry.status == "skipped"
    assert entry.reason.startswith("expected 100000 cores, found ")


def test_server_rates_are_searched_in_every_round(progress):
    contenders = [contender("instant"), contender("wrong"), contender("slow", kind="ceiling", items={"a": 1.0})]
    with Field(contenders, progress) as field:
        checked = field.offline("a", (1, 64), sevens, 1e-6, Rounds(1, 0.02))
        instant, wrong = field.server("a", (1, 64), checked, 0.5, Rounds(2, 0.01), 1)
        (slow,) = field.server(
            "a", (1, 64), dataclasses.replace(checked, contenders=contenders[:1]), 1e-4, Rounds(2, 0.01), 1
        )
    assert (slow.status, slow.reason) == ("failed", "99% within 0.1 ms were not reached at any rate")
    (point,) = instant.points
    assert (point.at, len(point.rounds)) == (500.0, 2)
    # At most 64 in 0.5 ms; the search first tried 0.3 of the rate of single images.
    assert 0 < point.lowest <= point.highest <= 1.2 * 64 / 0.0005
    assert (wrong.status, wrong.reason) == ("refused", "wrong output at batch 1: off by 0.5, more than 1e-06")
