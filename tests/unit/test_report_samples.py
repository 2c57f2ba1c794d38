"""Whole mails: our own, and a corpus of real ones where it is present."""

import json
import os
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bench.understanding import SISIMAI, bounces
from mailsvc.mime.arrived import read_mail
from mailsvc.understand.automatic import is_automatic
from mailsvc.understand.report import ReportedRecipient
from mailsvc.understand.reports import read_report

SAMPLES = Path(__file__).parents[1] / "corpus" / "reports"
EXPECTED = tomllib.loads((SAMPLES / "expected.toml").read_text())
CORPUS = Path(os.environ.get("MAILSVC_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))  # noqa: TID251


def row(one: ReportedRecipient) -> list[str]:
    found = one.diagnosis
    return [
        one.recipient or "",
        one.kind,
        f"{found.type} {found.reason}" if found else "",
        (found and found.enhanced_code) or "",
    ]


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_a_sample_is_understood(name: str, line_break: bytes) -> None:
    raw = (SAMPLES / name).read_bytes().replace(b"\n", line_break)
    mail = read_mail(raw)
    report = read_report(raw, mail)
    expected = EXPECTED[name]

    assert [row(one) for one in report.recipients] == expected["recipients"] if report else expected["recipients"] == []
    assert is_automatic(mail) == expected.get("is_automatic", is_automatic(mail))
    for field in ("envelope_id", "feedback_id"):
        assert field not in expected or getattr(report, field) == expected[field]
    if report:
        assert report.message_ids == ("<m1@app.test>",)
        assert report.feedback_senders == tuple(expected.get("feedback_senders", ()))


def test_every_sample_is_expected() -> None:
    assert {path.name for path in SAMPLES.glob("*.eml")} == set(EXPECTED)


def _truth() -> list[dict]:  # type: ignore[type-arg]
    if not (CORPUS / "truth.jsonl").exists():
        pytest.skip(f"no corpus of real bounces in {CORPUS}: set MAILSVC_CORPUS to where it is")
    return [json.loads(line) for line in (CORPUS / "truth.jsonl").open(encoding="utf-8")]


def _share(tally: Counter[str], name: str) -> float:
    return 100 * tally[name] / tally[f"of {name}"]


def test_real_mails_are_understood_as_well_as_before() -> None:
    """Below each bar a change has made something worse; the bars rise with the figures in docs/benchmarks.md."""
    tally: Counter[str] = Counter()
    for truth in _truth():
        _count(truth, bounces((CORPUS / "messages" / truth["file"]).read_bytes()), tally)

    assert _share(tally, "recall") >= 98.5
    assert _share(tally, "precision") >= 99.3
    assert _share(tally, "type") >= 92  # the others are in docs/benchmarks.md
    assert _share(tally, "status") >= 98
    assert _share(tally, "reason") >= 87
    assert tally["complaints"] == tally["of complaints"]
    assert tally["false alarms"] == 0
    assert tally["delays called failures"] == 0


def _count(truth: dict, found: list[dict], tally: Counter[str]) -> None:  # type: ignore[type-arg]
    failures = [one for one in found if one["kind"] in ("hard", "soft")]
    if truth["kind"] in ("not-bounce", "auto-reply"):
        tally["false alarms"] += bool(failures)
    elif truth["kind"] == "complaint":
        tally["of complaints"] += 1
        tally["complaints"] += any(one["kind"] == "complaint" for one in found)
    elif truth.get("recipient_known") and truth["kind"] in ("bounce", "delayed") and not truth["dup_of"]:
        tally["delays called failures"] += truth["kind"] == "delayed" and any(
            one["action"] == "failed" for one in found
        )
        _count_recipients(truth["recipients"], failures, tally)


def _count_recipients(recipients: list[dict], failures: list[dict], tally: Counter[str]) -> None:  # type: ignore[type-arg]
    right = {address for one in recipients for address in one["accept"]}
    tally["of precision"] += len(failures)
    tally["precision"] += sum((one["recipient"] or "").lower() in right for one in failures)
    for one in recipients:
        tally["of recall"] += 1
        hit = next((found for found in failures if (found["recipient"] or "").lower() in one["accept"]), None)
        if hit:
            tally["recall"] += 1
            _count_judgement([one, *([one["alt"]] if one.get("alt") else [])], hit, tally)


def _count_judgement(truths: list[dict], found: dict, tally: Counter[str]) -> None:  # type: ignore[type-arg]
    first = truths[0]
    if first.get("hard") is not None:
        tally["of type"] += 1
        tally["type"] += any((found["kind"] == "hard") == bool(one["hard"]) for one in truths)
    if first.get("status") and not first.get("status_pseudo"):
        tally["of status"] += 1
        tally["status"] += any(found["status"] == one.get("status") for one in truths)
    if first.get("reason"):
        tally["of reason"] += 1
        tally["reason"] += any(one["reason"] in SISIMAI[found["our_reason"]] for one in truths)
