"""Pools of daemon threads: bounded, and at work until the very end of a program."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, wait

import pytest

from mailsvc.runtime.threads import DaemonThreads

_AT_EXIT = """
import asyncio, atexit, threading
from mailsvc.runtime.threads import DaemonThreads

loop = asyncio.new_event_loop()
if {ours}:
    loop.set_default_executor(DaemonThreads(2, "test"))
threading.Thread(target=loop.run_forever, daemon=True).start()

async def work():
    return await asyncio.to_thread(lambda: "worked")

def at_exit():
    try:
        print(asyncio.run_coroutine_threadsafe(work(), loop).result())
    except RuntimeError as error:
        print(error)

atexit.register(at_exit)
"""


def _output_of(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_work_is_still_done_after_the_end_of_the_main_thread() -> None:
    assert _output_of(_AT_EXIT.format(ours=True)) == "worked"


def test_the_standard_pool_is_shut_by_then_which_is_why_there_is_another() -> None:
    assert "cannot schedule new futures" in _output_of(_AT_EXIT.format(ours=False))


def test_a_thread_that_hangs_does_not_hold_up_the_end_of_the_program() -> None:
    hanging = "from mailsvc.runtime.threads import DaemonThreads; import threading;"
    assert _output_of(f"{hanging} DaemonThreads(1, 'x').submit(threading.Event().wait); print('end')") == "end"


def test_there_are_never_more_threads_than_allowed() -> None:
    threads, seen, free = DaemonThreads(3, "bounded"), set(), threading.Event()

    def work() -> None:
        seen.add(threading.current_thread().name)
        free.wait()

    done = [threads.submit(work) for _ in range(10)]
    free.set()
    wait(done)
    assert seen <= {"bounded-1", "bounded-2", "bounded-3"}


def test_an_idle_thread_is_used_again() -> None:
    threads = DaemonThreads(8, "reused")
    assert {threads.submit(lambda: threading.current_thread().name).result() for _ in range(100)} == {"reused-1"}


def test_an_error_belongs_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        DaemonThreads(1, "test").submit(lambda: 1 // 0).result()


def test_after_a_shutdown_nothing_begins() -> None:
    threads, free, begun = DaemonThreads(1, "test"), threading.Event(), threading.Event()
    running = threads.submit(lambda: (begun.set(), free.wait())[1])
    begun.wait()
    queued = threads.submit(lambda: "never")
    threads.shutdown(cancel_futures=True)
    threads.shutdown()
    free.set()
    assert running.result() is True
    with pytest.raises(CancelledError):
        queued.result()
    with pytest.raises(RuntimeError, match="after shutdown"):
        threads.submit(print)


def test_asyncio_takes_it_for_its_default() -> None:
    async def name() -> str:
        asyncio.get_running_loop().set_default_executor(DaemonThreads(1, "own"))
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert asyncio.run(name()) == "own-1"
