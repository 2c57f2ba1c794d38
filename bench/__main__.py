"""``python -m bench``: run scenarios interleaved in rounds, print medians and bars, write JSON."""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import setup, table
from bench.catalogue import SCENARIOS, Scenario
from bench.figure import Figure, Invalid, Run, Skipped

_RESULTS = Path(__file__).parent / "results"


class Ledger:
    """What the rounds brought."""

    def __init__(self) -> None:
        self.figures: dict[str, list[Figure]] = {}
        self.troubles: dict[str, str] = {}

    def medians(self) -> dict[str, dict[str, float]]:
        """Of each value of each scenario, over the rounds."""
        return {
            name: {key: statistics.median(f.values[key] for f in figures) for key in figures[0].values}
            for name, figures in self.figures.items()
        }

    def spreads(self) -> dict[str, str]:
        """The lowest and highest rate of each system."""
        rates = {
            name: [f.values["rate"] for f in figures if "rate" in f.values] for name, figures in self.figures.items()
        }
        return {name: f"{min(found):,.0f}-{max(found):,.0f}" for name, found in rates.items() if len(found) > 1}


def main() -> int:
    """Exit code 1 where a scenario failed; a skipped one is reported, not counted."""
    options = _options()
    chosen = _choose(options.only)
    if not options.no_setup:
        for problem in setup.install():
            _say(f"bench: {problem}")
    ledger, started_at = Ledger(), datetime.now(UTC)
    for number in range(options.rounds):
        for scenario in chosen:
            if number == 0 or not (scenario.once or scenario.name in ledger.troubles):
                _measure(scenario, options, ledger)
    medians = ledger.medians()
    print(table.render(medians, ledger.spreads(), ledger.troubles))  # noqa: T201 - the product of this program
    _write(options, ledger, started_at)
    return int(any(text.startswith("FAILED") for text in ledger.troubles.values()))


def _measure(scenario: Scenario, options: argparse.Namespace, ledger: Ledger) -> None:
    directory = Path(tempfile.mkdtemp(prefix="mailsvc-bench-", dir=options.scratch))
    run = Run(max(1, int(options.messages * scenario.share)), directory, quick=options.quick)
    begun = time.monotonic()
    try:
        figure = scenario.measure(run)
    except Skipped as reason:
        ledger.troubles[scenario.name] = f"SKIPPED: {reason}"
    except (Invalid, RuntimeError, OSError, KeyError, ValueError) as error:
        ledger.troubles[scenario.name] = f"FAILED: {error!r}"
    else:
        ledger.figures.setdefault(scenario.name, []).append(figure)
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    trouble = ledger.troubles.get(scenario.name)
    _say(f"bench: {scenario.name} {trouble or 'done'} ({time.monotonic() - begun:.0f} s)")


def _choose(only: Sequence[str]) -> list[Scenario]:
    known = {scenario.name: scenario for scenario in SCENARIOS}
    if unknown := set(only) - set(known):
        raise SystemExit(f"no scenario {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return [known[name] for name in known if name in only or (not only and known[name].by_default)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run only these scenarios")
    parser.add_argument(
        "--messages", type=int, help="messages per throughput run (default: 20,000; slow peers send a share)"
    )
    parser.add_argument("--rounds", type=int, help="number of interleaved rounds (default: 3)")
    parser.add_argument("--quick", action="store_true", help="500 messages, one round: checks that the harness works")
    parser.add_argument("--json", type=Path, help="where to write the results (default: bench/results/)")
    parser.add_argument(
        "--scratch", type=Path, help="where to put queues and databases (default: the system's temporary directory)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the scratch directories with all logs")
    parser.add_argument("--no-setup", action="store_true", help="install nothing")
    options = parser.parse_args()
    options.messages = options.messages or (500 if options.quick else 20_000)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _write(options: argparse.Namespace, ledger: Ledger, started_at: datetime) -> None:
    path: Path = options.json or _RESULTS / f"{started_at:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    medians = ledger.medians()
    result: dict[str, Any] = {
        "started_at": started_at.isoformat(),
        "messages": options.messages,
        "rounds": options.rounds,
        "host": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "load_average": os.getloadavg(),
        "medians": medians,
        "bars": table.verdicts(medians),
        "figures": {
            n: [{"values": dict(f.values), "notes": dict(f.notes)} for f in fs] for n, fs in ledger.figures.items()
        },
        "troubles": ledger.troubles,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    _say(f"bench: written to {path}")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
