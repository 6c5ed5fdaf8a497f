import io

from benchmarks._progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_a_stage_where_there_is_no_terminal_with_the_time_that_the_plan_leaves():
    now, out = [0.0], io.StringIO()
    progress = Progress(later=60.0, out=out, clock=lambda: now[0])
    progress.plan({"checks": 10.0, "race": 50.0})
    progress.stage("checks", 2)
    progress.step("a")
    now[0] += 4.0
    progress.step("b")
    assert progress.seconds_left() == 4.0 + 50.0 + 60.0  # a step took 4 s, one is left
    progress.stage("race", 5)
    progress.note("a: refused: wrong")
    assert out.getvalue().splitlines() == [
        "checks, about 2 min left",
        "race, about 2 min left",
        "a: refused: wrong",
    ]


def test_the_time_left_goes_down_with_the_steps_and_is_that_of_what_comes_later_in_the_end():
    now = [0.0]
    progress = Progress(later=7.0, out=io.StringIO(), clock=lambda: now[0])
    progress.plan({"race": 100.0})
    progress.stage("race", 4)
    left = []
    for _ in range(4):
        progress.step("a")
        left.append(progress.seconds_left())
        now[0] += 2.0
    assert left == [107.0, 6.0 + 7.0, 4.0 + 7.0, 2.0 + 7.0]


def test_on_a_terminal_one_line_changes_and_goes_away():
    now, out = [0.0], Terminal()
    progress = Progress(out=out, clock=lambda: now[0])
    progress.plan({"race": 8.0})
    progress.stage("race", 4)
    progress.step("a")
    now[0] += 2.0
    progress.step("b")
    progress.close()
    assert out.getvalue().split("\r\x1b[K") == [
        "",
        f"[{'.' * 24}] race: a, about 8 s left",
        f"[{'#' * 6}{'.' * 18}] race: b, about 6 s left",
        "",
    ]
