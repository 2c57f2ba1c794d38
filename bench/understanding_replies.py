"""The adapter for ``score.py`` of the data set of replies: the new words of a whole mail."""

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.replies import split_reply


def new_words(raw: bytes) -> str:
    return split_reply(read_mail(raw)).text
