"""What the benchmarks make of what they saw: medians, bars, and no figure where there is none."""

import pytest

from bench import table
from bench.bars import Bar
from bench.counters import Count
from bench.figure import Invalid, Run
from bench.peers.measure import Window, conclude
from bench.quantiles import quantile


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_quantile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    """The smallest value that this share of the values do not exceed."""
    assert quantile([float(n) for n in range(100, 0, -1)], share) == expected


def test_the_table_shows_the_ratio_to_both_postfix_settings() -> None:
    """The bars are those of Postfix as installed; whoever would tune it sees the other."""
    other = {"cpu": 1.0, "peak_mb": 1.0, "sink_cpu": 0.25, "load_cpu": 0.5, "duplicates": 0.0}
    rates = {"postfix": 100.0, "postfix-tuned": 200.0, "sqlite-batch": 800.0}
    shown = table.render({name: {"rate": rate, **other} for name, rate in rates.items()}, {}, {})

    line = next(line for line in shown.splitlines() if line.startswith("sqlite-batch"))
    assert line.split()[:4] == ["sqlite-batch", "800", "8.00", "4.00"]
    assert "25 %" in line
    assert "50 %" in line


@pytest.mark.parametrize(("at_least", "value", "reached"), [(True, 9, False), (True, 10, True), (False, 11, False)])
def test_a_bar_says_whether_more_is_better(at_least: bool, value: float, reached: bool) -> None:  # noqa: FBT001
    """Rates have to be above, times and memory below."""
    bar = Bar("x", lambda _: 0, 10, "x", at_least=at_least)

    assert bar.reached(value) is reached


def test_a_missing_scenario_is_reported_without_a_figure() -> None:
    """A bar without its scenario says why in the table."""
    shown = table.render({}, {}, {"claim-sqlite": "SKIPPED: no time"})

    assert "NOT MEASURED: 'claim-sqlite' SKIPPED: no time" in shown
    assert {verdict["reached"] for verdict in table.verdicts({}).values()} == {None}


def test_the_rate_ends_with_the_last_distinct_message() -> None:
    """Ten messages in two seconds are five a second, a duplicate is no message."""
    count = Count(arrivals=11, distinct=10, connections=1, first_at=100.5, last_at=102, cpu_s=1)

    figure = conclude(_run(10), Window(started_at=100, cpu_s=0.5, peak_mb=7, load_cpu_s=0.5), count)

    assert figure.values["rate"] == 5
    assert figure.values["cpu"] == 50
    assert figure.values["duplicates"] == 1
    assert (figure.values["sink_cpu"], figure.values["load_cpu"]) == (0.5, 0.25)


def test_no_figure_is_given_where_messages_were_lost() -> None:
    """A system that loses mail is not fast."""
    count = Count(arrivals=10, distinct=9, connections=1, first_at=0, last_at=1, cpu_s=0)

    with pytest.raises(Invalid, match="9 distinct messages arrived of 10"):
        conclude(_run(10), Window(0, 0, 0), count)


def _run(messages: int) -> Run:
    return Run(messages, directory=None)  # type: ignore[arg-type] # no scenario runs here
