"""Connections are reused, and belong to one process and one event loop."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailsvc_sdk import AsyncMailsvc, Mailsvc
from tests.support.scripted_http import Answer, scripted

PAGE = Answer(200, {"data": [], "next_cursor": None})


def test_connections_are_reused_and_threads_share_a_client() -> None:
    with scripted(PAGE) as server, Mailsvc(server.url, api_key="k") as mail:
        list(mail.messages.list())
        list(mail.with_options(retry=None).messages.list())
        assert len({asked.client for asked in server.asked}) == 1
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: list(mail.messages.list()), range(50))) == [[]] * 50
        assert len(server.asked) == 52


def test_a_forked_child_has_connections_of_its_own() -> None:
    with scripted(PAGE) as server, Mailsvc(server.url, api_key="k") as mail:
        list(mail.messages.list())
        child = os.fork()
        if not child:
            code = 1
            try:
                list(mail.messages.list())
                mail.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        list(mail.messages.list())

    first, of_child, last = (asked.client for asked in server.asked)
    assert first == last != of_child


def test_an_async_client_serves_one_loop_after_another() -> None:
    async def read() -> list[object]:
        return [message async for message in mail.messages.list()]

    with scripted(PAGE) as server:
        mail = AsyncMailsvc(server.url, api_key="k")
        assert [asyncio.run(read()) for _ in range(3)] == [[], [], []]
        asyncio.run(mail.aclose())
        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(read())


def test_a_service_on_loopback_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted(PAGE) as server, Mailsvc(server.url, api_key="k") as mail:
        assert list(mail.messages.list()) == []


def test_importing_the_sdk_imports_no_http_client_and_no_framework() -> None:
    code = "import sys, mailsvc_sdk; print([m for m in ('httpx2', 'httpx', 'django', 'flask', 'pytest', 'mailsvc') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
