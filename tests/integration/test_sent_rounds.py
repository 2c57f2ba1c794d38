"""The work in Sent folders when the account makes trouble: nothing is lost, doubled, or called sent without proof."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.inbound.sentfolder.round import Round, SentFolders
from mailsvc.outcomes.sent_jobs import release_all, return_missing
from mailsvc.runtime.wake import Bell
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.sent_tables import sent_job
from tests.support.faultyimap import DROP, HANG, FaultyImap
from tests.support.sasl import PASSWORD, USER
from tests.support.sentshop import VAULT, Shop
from tests.support.waiting import wait_until

LIST = '* LIST (\\Sent) "/" "Sent"\r\nTAG OK done'


@pytest.fixture
def folders(database: Database, tmp_path: Path) -> SentFolders:
    return SentFolders(database, VAULT, Bell(tmp_path), AccessTokens(database, VAULT), lambda _: "any")


@pytest.fixture
def work(folders: SentFolders) -> Callable[[Shop], None]:
    """Claims what there is, and carries it out."""
    return lambda shop: claimed(folders, shop).carry_out()


def claimed(folders: SentFolders, shop: Shop) -> Round:
    return Round(folders, shop.relay_id, list(shop.jobs().values()))


def linked(shop: Shop, server: FaultyImap, **form: Any) -> str:
    account = server.account()
    at = {"host": account.host, "port": account.port, "tls": account.tls, "ca_pem": account.ca_pem}
    return shop.link(**at | {"username": USER, "password": PASSWORD} | form)


def jobs(shop: Shop) -> list[tuple[str, int, bool]]:
    return [(row.status, row.tries, row.due_at is not None) for row in shop.rows(sent_job)]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"authenticate": "TAG NO [AUTHENTICATIONFAILED] wrong password"}, "wrong password"),
        ({"connect": DROP}, "Sent folder of the mailbox sent"),
        ({"list": "TAG OK done"}, "there is no folder for sent mail"),
        ({"list": LIST, "search": "TAG NO not now"}, "not now"),
        ({"list": LIST, "search": b"* SEARCH x\r\nTAG OK done\r\n"}, "not an IMAP answer"),
    ],
)
def test_a_look_that_fails_is_made_again(
    database: Database, work: Callable[[Shop], None], script: dict[str, Any], said: str
) -> None:
    """The mailbox shows why; the delivery goes on waiting."""
    with FaultyImap(script) as server:
        shop = Shop(database)
        id_ = linked(shop, server)
        shop.ended("uncertain", *shop.ids)
        work(shop)

    assert jobs(shop) == [("waiting", 1, True)] * 3
    assert shop.statuses() == ["deferred"] * 3
    (row,) = [row for row in shop.rows(mailbox) if row.id == id_]
    assert said in row.last_error


def test_a_delivery_that_nobody_could_look_up_is_sent_again_and_says_so(
    database: Database, work: Callable[[Shop], None]
) -> None:
    with FaultyImap({"connect": DROP}) as server:
        shop = Shop(database)
        linked(shop, server)
        shop.ended("uncertain", *shop.ids)
        shop.at_the_end()
        work(shop)

    assert {row.status for row in shop.rows(sent_job)} == {"unseen"}
    assert shop.statuses() == ["queued"] * 3


def test_a_mailbox_that_is_gone_meanwhile_ends_the_wait(database: Database, work: Callable[[Shop], None]) -> None:
    shop = Shop(database)
    id_ = shop.link()
    shop.ended("uncertain", *shop.ids)
    with database.write() as connection:
        connection.execute(update(mailbox).where(mailbox.c.id == id_).values(enabled=False))
    work(shop)

    assert shop.statuses() == ["queued"] * 3


@pytest.mark.parametrize("mood", [DROP, "TAG NO [OVERQUOTA] over quota"], ids=["lost", "refused"])
def test_a_copy_whose_append_fails_is_looked_for_before_the_next_try(
    database: Database, work: Callable[[Shop], None], mood: Any
) -> None:
    """It may be there: from then on it accounts for a copy."""
    with FaultyImap({"list": LIST, "append": mood}) as server:
        shop = Shop(database, file_sent=True)
        linked(shop, server)
        shop.ended("sent", *shop.ids)
        work(shop)
        work(shop)

    searches = [n for n, command in enumerate(server.commands) if command.startswith("UID SEARCH")]
    appends = [n for n, command in enumerate(server.commands) if command.startswith("APPEND")]
    assert len(searches) == len(appends) == 2
    assert all(search < append for search, append in zip(searches, appends, strict=True))
    assert [(row.status, row.may_be_filed) for row in shop.rows(sent_job)] == [("waiting", True)]


def test_a_copy_is_given_up_after_some_days(database: Database, work: Callable[[Shop], None]) -> None:
    with FaultyImap({"connect": DROP}) as server:
        shop = Shop(database, file_sent=True)
        linked(shop, server)
        shop.ended("sent", *shop.ids)
        shop.at_the_end()
        work(shop)

    assert jobs(shop) == [("given_up", 1, False)]


def test_a_round_that_is_stopped_leaves_its_jobs_to_others(database: Database, folders: SentFolders) -> None:
    """Neither a try nor an error is counted."""
    with FaultyImap({"authenticate": HANG}) as server:
        shop = Shop(database)
        linked(shop, server)
        shop.ended("uncertain", *shop.ids)
        round_ = claimed(folders, shop)
        working = threading.Thread(target=round_.carry_out)
        working.start()
        wait_until(lambda: any(command.startswith("AUTHENTICATE") for command in server.commands))
        round_.stop()
        working.join()

    assert jobs(shop) == [("waiting", 0, True)] * 3


@pytest.mark.parametrize("release", [lambda db: release_all(db, "wrk_2"), lambda db: return_missing(db, "wrk_2", ())])
def test_jobs_of_a_dead_process_are_due_again(database: Database, release: Callable[[Database], None]) -> None:
    shop = Shop(database)
    shop.link()
    shop.ended("uncertain", *shop.ids)
    shop.jobs()
    with database.write() as connection:
        connection.execute(update(sent_job).values(due_at=1))
    release(database)

    with database.read() as connection:
        due = connection.execute(select(sent_job.c.due_at).where(sent_job.c.lease_owner.is_(None))).scalars().all()
    assert len(due) == 3
    assert max(due) <= database.now() + clock.SECOND
