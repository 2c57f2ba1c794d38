"""What the Python SDK costs beside the HTTP client that it uses: a send, a batch, an import; in turn in one process."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from statistics import median

import httpx2

from bench import mail, tlsfiles
from bench.children import ROOT
from bench.counters import smtp_sink
from bench.figure import Figure, Invalid, Run
from bench.scenarios.throughput import target
from bench.service import Service, Setting, serving
from mailsvc_sdk import Mailsvc

SENDS, TURNS, WARM_UP = 600, 12, 40
CHUNK, BATCHED = 500, 10_000
IMPORTS = 7


def measure(run: Run) -> Figure:
    """A service that only accepts, so that deliveries don't take turns at the processors."""
    tls = tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink, serving(run.directory, Setting(sink, tls.ca)) as service:
        relay = service.call("GET", "/v1/relays")["data"][0]
        service.call("POST", f"/v1/relays/{relay['id']}/pause")
        with _bare(service) as bare, Mailsvc(f"http://127.0.0.1:{target(service)['port']}", api_key=service.key) as sdk:
            few = 10 if run.quick else 1
            sends = _in_turn(lambda n: _post(bare, n), lambda n: sdk.send(mail.fields(n)), SENDS // few)
            batch = _batches(bare, sdk, BATCHED // few)
    return Figure(
        {**sends, **batch, "import_ratio": _import_s("mailsvc_sdk; mailsvc_sdk.Mailsvc") / _import_s("httpx2")}
    )


def _bare(service: Service) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}
    return httpx2.Client(base_url=f"http://127.0.0.1:{service.port}", headers=headers, timeout=30)


def _post(bare: httpx2.Client, number: int) -> object:
    body = json.dumps(mail.fields(number)).encode()
    return _accepted(bare.post("/v1/messages", content=body, headers={"Idempotency-Key": uuid.uuid4().hex}))


def _accepted(answer: httpx2.Response) -> object:
    if answer.status_code != httpx2.codes.ACCEPTED:
        raise Invalid(f"{answer.status_code}: {answer.text[:200]}")
    return answer.json()


def _in_turn(bare: Callable[[int], object], sdk: Callable[[int], object], sends: int) -> dict[str, float]:
    """The medians of both, measured in turns so that a slow second hits both."""
    spent: dict[str, list[float]] = {"bare": [], "sdk": []}
    for number in range(WARM_UP):
        bare(number)
        sdk(number)
    for turn in range(TURNS):
        order = (("bare", bare), ("sdk", sdk))
        for name, send in order if turn % 2 else reversed(order):
            for number in range(sends // TURNS):
                began = time.perf_counter()
                send(number)
                spent[name].append(time.perf_counter() - began)
    bare_ms, sdk_ms = (median(spent[name]) * 1000 for name in ("bare", "sdk"))
    return {"bare_send_ms": bare_ms, "sdk_send_ms": sdk_ms, "send_ratio": sdk_ms / bare_ms}


def _batches(bare: httpx2.Client, sdk: Mailsvc, count: int) -> dict[str, float]:
    drafts = [mail.fields(number) for number in range(count)]
    bare_rate, sdk_rate = [], []
    for _ in range(3):
        began = time.perf_counter()
        for start in range(0, count, CHUNK):
            body = json.dumps({"messages": drafts[start : start + CHUNK]}).encode()
            _accepted(bare.post("/v1/messages/batch", content=body))
        bare_rate.append(count / (time.perf_counter() - began))
        began = time.perf_counter()
        sdk.send_batch(drafts, chunk_size=CHUNK).raise_for_errors()
        sdk_rate.append(count / (time.perf_counter() - began))
    return {"bare_batch_rate": median(bare_rate), "sdk_batch_rate": median(sdk_rate),
            "batch_percent": median(sdk_rate) / median(bare_rate) * 100}  # fmt: skip


def _import_s(what: str) -> float:
    """The CPU seconds of a fresh interpreter that imports it, less those of one that imports nothing."""
    return median(_cpu_s(f"import {what}") for _ in range(IMPORTS)) - median(_cpu_s("") for _ in range(IMPORTS))


def _cpu_s(code: str) -> float:
    script = f"import resource\n{code}\nu = resource.getrusage(resource.RUSAGE_SELF)\nprint(u.ru_utime + u.ru_stime)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    return float(done.stdout)
