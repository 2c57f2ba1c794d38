"""The accept pipeline of the API: build a message's rows, store them durably."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass

from mailsvc.outbox.admission import Admission
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit

__all__ = ["AcceptPipeline"]


@dataclass(frozen=True, slots=True)
class AcceptPipeline:
    """Accepts messages of applications."""

    builder: MessageBuilder
    admission: Admission
    intake: SharedCommit

    def submit(self, request: IntakeRequest, *, key_id: str) -> "Future[Answer] | asyncio.Future[Answer]":
        """Store a request's messages. Returns the future of its answer.

        Args:
            key_id: whose rate the messages count for.

        Raises:
            RateLimited: the key has sent too many already.
            Unavailable: the service is shutting down.
        """
        self.admission.spend(key_id, len(request.new_messages))
        self.intake.hand_in(request)
        return request.done
