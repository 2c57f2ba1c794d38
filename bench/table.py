"""The results as people read them."""

from collections.abc import Mapping

from bench.bars import BARS, Medians

_SYSTEMS = "{:<16} {:>9} {:>10} {:>8} {:>13} {:>9} {:>9} {:>9} {:>11}  {}"
_HEADINGS = ("system", "msg/s", "x Postfix", "x tuned", "CPU-s/1,000", "peak MB", "sink CPU", "load CPU", "duplicates")


def render(medians: Medians, spreads: Mapping[str, str], troubles: Mapping[str, str]) -> str:
    """Systems first, then every other value, then the bars; what could not be measured is reported in capitals."""
    return "\n".join(
        [*_systems(medians, spreads), "", *_sides(medians), "", *_bars(medians, troubles), "", *_told(troubles)]
    )


def verdicts(medians: Medians) -> dict[str, dict[str, object]]:
    """Each bar with its value and whether it is reached; None where it was not measured."""
    answers: dict[str, dict[str, object]] = {}
    for bar in BARS:
        try:
            value = bar.value(medians)
        except KeyError:
            answers[bar.label] = {"value": None, "limit": bar.limit, "unit": bar.unit, "reached": None}
        else:
            reached = bar.reached(value)
            answers[bar.label] = {"value": value, "limit": bar.limit, "unit": bar.unit, "reached": reached}
    return answers


def _systems(medians: Medians, spreads: Mapping[str, str]) -> list[str]:
    lines = [_SYSTEMS.format(*_HEADINGS, "")]
    for name, values in medians.items():
        if "rate" not in values or "cpu" not in values:
            continue
        ratios = [_ratio(medians, name, peer) for peer in ("postfix", "postfix-tuned")]
        shares = [f"{values[key] * 100:.0f} %" for key in ("sink_cpu", "load_cpu")]
        costs = (f"{values['cpu']:.2f}", f"{values['peak_mb']:.0f}", *shares, f"{values['duplicates']:.0f}")
        lines.append(_SYSTEMS.format(name, f"{values['rate']:,.0f}", *ratios, *costs, spreads.get(name, "")))
    return lines


def _ratio(medians: Medians, name: str, peer: str) -> str:
    return f"{medians[name]['rate'] / medians[peer]['rate']:.2f}" if peer in medians else "-"


def _sides(medians: Medians) -> list[str]:
    lines = []
    for name, values in medians.items():
        shown = {key: value for key, value in values.items() if key not in _IN_SYSTEMS or "cpu" not in values}
        if shown:
            lines.append(f"{name:<16} " + "  ".join(f"{key} {value:,.4g}" for key, value in shown.items()))
    return lines


_IN_SYSTEMS = frozenset({"rate", "cpu", "peak_mb", "sink_cpu", "load_cpu", "duplicates"})


def _bars(medians: Medians, troubles: Mapping[str, str]) -> list[str]:
    lines = [f"{'bar':<48} {'measured':>10} {'limit':>10}"]
    for bar in BARS:
        limit = f"{'≥' if bar.at_least else '≤'} {bar.limit:.3g}"
        try:
            value = bar.value(medians)
        except KeyError as missing:
            reason = troubles.get(missing.args[0], "was not run")[:60]
            lines.append(f"{bar.label:<48} {'-':>10} {limit:>10} {bar.unit:<15} NOT MEASURED: {missing} {reason}")
            continue
        verdict = "ok" if bar.reached(value) else f"MISSED ({value / bar.limit:.2f} of the limit)"
        lines.append(f"{bar.label:<48} {value:>10.3g} {limit:>10} {bar.unit:<15} {verdict}")
    return lines


def _told(troubles: Mapping[str, str]) -> list[str]:
    return [f"!! {name}: {text}" for name, text in troubles.items()]
