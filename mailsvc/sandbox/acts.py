"""Which addresses of ``sandbox.test`` have consequences by mail (contract, section 7)."""

from collections.abc import Callable, Mapping

from mailsvc.sandbox.answers import reply, unsubscribe_mail, vacation_note
from mailsvc.sandbox.reports import complaint, delay_report, failure_report
from mailsvc.sandbox.submitted import Submitted

__all__ = ["ACTS", "Act"]

Act = Callable[[Submitted], bytes | None]

ACTS: Mapping[str, Act] = {
    "later": failure_report,
    "delay": delay_report,
    "complain": complaint,
    "reply": reply,
    "auto": vacation_note,
    "unsubscribe": unsubscribe_mail,
}
