"""``mailsvc bench``: the benchmarks of the source tree."""

import subprocess
import sys
from pathlib import Path

import click

TREE = Path(__file__).parent.parent.parent


@click.command(
    "bench",
    epilog="Example: mailsvc bench --quick --only sqlite-batch",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--json", "path", metavar="FILE", help="Write the results as JSON there (default: bench/results/).")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENT]...")
def command(path: str | None, arguments: tuple[str, ...]) -> None:
    """Measure throughput and latency against other systems, with the arguments of python -m bench.

    Needs a source checkout: the benchmarks are not part of the installed package.
    """
    if not (TREE / "bench" / "__main__.py").is_file():
        raise click.ClickException("bench needs the source tree of mailsvc: run it from a checkout")
    where = ["--json", str(Path(path).absolute())] if path else []
    sys.exit(subprocess.run([sys.executable, "-m", "bench", *where, *arguments], cwd=TREE, check=False).returncode)  # noqa: S603
