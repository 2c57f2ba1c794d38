"""kill -9 while mails arrive: each becomes one arrival and one event, and nothing is deleted before it was stored."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from mailsvc.mailaccess.account import Credentials
from tests.support.folderplay import FolderPlay
from tests.support.mailhost import HOST, MailHost
from tests.support.service import Service

RunService = Callable[..., Service]
LINES = "line\r\n" * 20
PASSWORD = "storm"
SOAK = pytest.mark.soak
MODES = (("imaps", "keep"), ("imaps", "move:Done"), ("imaps", "delete"), ("pop3s", "keep"), ("pop3s", "delete"))


def mail(account: str, n: int) -> bytes:
    return f"From: a@example.test\r\nSubject: {account}-{n}\r\n\r\n{LINES}".encode()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("database", "kills", "mails"),
    [
        ("sqlite", 5, 40),
        ("postgresql", 5, 40),
        pytest.param("sqlite", 25, 200, marks=SOAK),
        pytest.param("sqlite", 60, 800, marks=SOAK),
        pytest.param("postgresql", 60, 800, marks=SOAK),
    ],
)
def test_killing_the_reader_loses_and_doubles_nothing(
    run_service: RunService,
    mailhost: MailHost,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    database: str,
    kills: int,
    mails: int,
) -> None:
    """In every way of reading, while a person works in a folder that is watched, too."""
    chance = random.Random(os.environ.get("MAILSVC_TEST_SEED", "1"))
    ca = tmp_path / "ca.pem"
    ca.write_text(mailhost.ca_pem)
    accounts = {f"{database}{kills}x{n}": mode for n, mode in enumerate(MODES)}
    played = f"{database}{kills}played"
    for account in (*accounts, played):
        mailhost.add_user(account, PASSWORD)
    play = FolderPlay(mailhost, Credentials(played, PASSWORD), chance)
    urls = [_url(mailhost, account, *mode, ca) for account, mode in (*accounts.items(), (played, ("imaps", "keep")))]
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    service = run_service(mailbox_url=" ".join(urls), **({"database_url": url} if url else {}))

    play.start()
    left = {account: list(range(mails)) for account in accounts}
    for _ in range(kills):
        for account, numbers in left.items():
            some, left[account] = numbers[: mails // kills], numbers[mails // kills :]
            mailhost.deliver_many(account, [mail(account, n) for n in some])
        time.sleep(chance.uniform(0.05, 0.8))  # the moment of the kill is the subject, not synchronisation
        service.kill9()
        service.start()
    for account, numbers in left.items():
        mailhost.deliver_many(account, [mail(account, n) for n in numbers] or [mail(account, mails)])
    play.stop()
    expected = {f"{account}-{n}" for account in accounts for n in range(mails + (not left[account]))}
    wanted = expected | set(play.folder)
    events = service.wait_for_events(lambda got: wanted <= {e["data"].get("subject") for e in got}, seconds=120)
    told = Counter(e["data"]["subject"] for e in events if e["type"] == "inbound.received")
    with service.client() as client:
        stored = Counter(arrival["subject"] for arrival in _all_arrivals(client))

    assert told == stored
    assert {subject: times for subject, times in told.items() if times > 1} == {}
    assert set(told) - wanted <= play.gone  # a mail that was moved at once may have been read before
    assert play.seen == play.folder
    for account, (_, after) in accounts.items():
        if after == "keep":
            assert mailhost.stored(account) == sum(subject.startswith(f"{account}-") for subject in expected)


def _url(mailhost: MailHost, account: str, scheme: str, after: str, ca: Path) -> str:
    port = getattr(mailhost, scheme)
    return f"{scheme}://{account}:{PASSWORD}@{HOST}:{port}?after={quote(after)}&poll_interval=1&first_read=all&ca={ca}"


def _all_arrivals(client: object) -> list[dict[str, object]]:
    found, cursor = [], {}
    while True:
        page = client.get("/v1/inbound", params={"limit": 200, **cursor}).json()
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
