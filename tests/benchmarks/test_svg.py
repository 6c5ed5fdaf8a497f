import pytest

from benchmarks._svg import Scale, short, spread_out, tag, text


def test_elements_are_well_formed_whatever_they_hold():
    assert tag("line", x1=1.0, class_="a", stroke_width=2) == '<line x1="1" class="a" stroke-width="2"/>'
    assert text(1.25, 2, "a < b & c", "name", title='"t"') == (
        '<text x="1.2" y="2" class="name" text-anchor="start"><title>"t"</title>a &lt; b &amp; c</text>'
    )


@pytest.mark.parametrize(
    ("value", "log", "expected"), [(1.0, True, 0.0), (10.0, True, 50.0), (100.0, True, 100.0), (50.5, False, 50.0)]
)
def test_scales_go_from_values_to_places(value, log, expected):
    assert Scale(1.0, 100.0, 0.0, 100.0, log=log)(value) == pytest.approx(expected)


def test_a_scale_of_one_value_has_it_in_the_middle():
    assert Scale(3.0, 3.0, 0.0, 10.0)(3.0) == 5.0


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(0.0, 960.0, 0, 1), [0, 200, 400, 600, 800]),
        (Scale(-78.0, -72.0, 0, 1), [-78, -77, -76, -75, -74, -73, -72]),
        (Scale(15.0, 60.0, 0, 1, log=True), [15, 20, 30, 40, 50]),
        (Scale(9.0, 2100.0, 0, 1, log=True), [10, 20, 50, 100, 200, 500, 1000, 2000]),
        (Scale(1.0, 1e6, 0, 1, log=True), [1, 10, 100, 1000, 1e4, 1e5, 1e6]),
    ],
)
def test_ticks_are_round_and_not_too_many(scale, expected):
    assert scale.ticks() == pytest.approx(expected)


def test_ticks_are_written_short():
    assert [short(value) for value in (0, 0.5, 200, 1500, 20_000, 2e6)] == ["0", "0.5", "200", "1.5k", "20k", "2M"]


def test_labels_are_spread_as_little_as_needed_and_keep_their_order():
    assert spread_out([10.0, 50.0], 10, 0, 100) == [10.0, 50.0]
    assert spread_out([50.0, 50.0, 52.0], 10, 0, 100) == pytest.approx([40.67, 50.67, 60.67], abs=0.01)
    assert spread_out([99.0, 98.0], 10, 0, 100) == [100.0, 90.0]  # the lower one stays the lower one, inside
    assert spread_out([1.0, 0.0, 40.0], 10, 0, 100) == [10.0, 0.0, 40.0]
