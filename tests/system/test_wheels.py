"""What is built from the repository works where it is installed."""

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import free_port
from tests.support.service import Service

ROOT = Path(__file__).parent.parent.parent
MESSAGE = 'from_="shop@app.test", to="ok@sandbox.test", subject="Hi", text="Hello"'


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILSVC_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of both distributions, by the name that is imported."""
    made = tmp_path_factory.mktemp("dist")
    for source in (ROOT, ROOT / "sdk"):
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", made, source)
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, made.iterdir()))
    return {wheel.name.partition("-")[0]: wheel for wheel in made.glob("*.whl")}


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with both wheels; their dependencies are those of this environment."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    found = home / "bin" / "python"
    run(found, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *map(str, wheels.values()))
    site = run(found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    here = run(sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    shared = [str(entry) for entry in Path(here).iterdir() if "mailsvc" not in entry.name and entry.suffix != ".pth"]
    for entry in shared:
        target = Path(site) / Path(entry).name
        if not target.exists():
            target.symlink_to(entry)
    return found


@pytest.fixture
def installed(python: Path, tmp_path: Path) -> Iterator[Service]:
    """The installed service, started in an empty folder."""
    service = Service(tmp_path / "data", port=free_port(), python=python)
    yield service.start()
    service.kill9()


def test_the_wheels_carry_what_they_need(wheels: dict[str, Path]) -> None:
    service, sdk = (zipfile.ZipFile(wheels[name]).namelist() for name in ("mailsvc", "mailsvc_sdk"))

    assert {"mailsvc/migrations/env.py", "mailsvc/__main__.py"} <= set(service)
    assert {"mailsvc_sdk/py.typed", "pytest_mailsvc.py"} <= set(sdk)
    assert {name.split("/")[0].partition("-")[0] for name in sdk} == {"mailsvc_sdk", "pytest_mailsvc.py"}
    assert not [name for name in service if name.startswith(("tests/", "sdk/", "mailsvc_sdk/"))]


def test_the_installed_packages_are_not_the_repositorys(python: Path, tmp_path: Path) -> None:
    where = run(
        python, "-c", "import mailsvc, mailsvc_sdk; print(mailsvc.__file__, mailsvc_sdk.__file__)", cwd=tmp_path
    )

    assert str(ROOT / "mailsvc") not in where and str(ROOT / "sdk") not in where


def test_the_first_message_works_from_an_install(installed: Service, python: Path, tmp_path: Path) -> None:
    code = f"from mailsvc_sdk import Mailsvc; m = Mailsvc(); print(m.messages.wait(m.send({MESSAGE})).status)"
    environment = {"MAILSVC_URL": installed.url, "MAILSVC_API_KEY": installed.api_key}

    assert run(python, "-c", code, cwd=tmp_path, **environment).strip() == "sent"
