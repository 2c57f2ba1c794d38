"""A running service with its sandbox, and clients of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

import tests.sdk.django_project  # noqa: F401 - configures Django, before a test imports what is of it
from mailsvc_sdk import AsyncMailsvc, Mailsvc
from tests.support.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("sdk") / "data").start()
    yield running
    running.kill9()


@pytest.fixture
def mail(service: Service) -> Iterator[Mailsvc]:
    with Mailsvc(service.url, api_key=service.api_key) as client:
        for suppression in client.suppressions.list():  # of a bounce in another test
            client.suppressions.delete(suppression)
        yield client


@pytest.fixture
async def amail(service: Service) -> AsyncIterator[AsyncMailsvc]:
    async with AsyncMailsvc(service.url, api_key=service.api_key) as client:
        yield client
