"""The words that a draft's members may be. They are plain strings: a new one of a newer service does no harm."""

from typing import Literal

__all__ = ["Disposition", "OnUncertain", "Priority"]

Priority = Literal["high", "normal", "low"]
OnUncertain = Literal["resend", "hold", "verify"]
Disposition = Literal["attachment", "inline", "alternative"]
