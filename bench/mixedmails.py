"""Mails of the kinds that come back to a sender: reports of failure, replies, complaints, automatic answers, others."""

from tests.support.mails import answer, complaint, report

__all__ = ["mixed_mail"]

_WORDS = "A line of a reply that somebody wrote, some seventy characters in length.\n"
_QUOTED = "> A line of the message that is answered, as mail programs quote it.\n"


def mixed_mail(number: int) -> bytes:
    """Return one of many; each is different."""
    address, message_id = f"user{number}@example.test", f"<{number}@app.test>"
    match number % 10:
        case 0 | 1:
            return report(address, message_id=message_id)
        case 2:
            full = {"status": "5.2.2", "diagnostic": "552 5.2.2 mailbox full"}
            return report(address, message_id=message_id, **full)
        case 3:
            delay = {"action": "delayed", "status": "4.4.1", "diagnostic": "451 4.4.1 connection timed out"}
            return report(address, message_id=message_id, **delay)
        case 4:
            return complaint(address, message_id=message_id)
        case 5:
            return answer(
                address, text=f"I am away until Monday ({number}).", headers=[("Auto-Submitted", "auto-replied")]
            )
        case 6 | 7:
            attribution = f"On Fri, 27 Nov 2026 at 10:00, Shop {number} <shop@app.test> wrote:\n"
            text = f"{_WORDS * 4}\n{attribution}{_QUOTED * 20}"
            return answer(f"Jane Doe <{address}>", text=text, headers=[("In-Reply-To", message_id)])
        case _:
            return answer(address, text=f"{number}\n{_WORDS * 60}")
