"""The usual names of the folder for sent mail, for servers that don't mark it (RFC 6154)."""

__all__ = ["COMMON_SENT"]

# In lower case; the first of those that are there is taken.
COMMON_SENT = (
    "sent",
    "sent items",
    "sent messages",
    "sent mail",
    "sent-mail",
    "gesendet",
    "gesendete elemente",
    "gesendete objekte",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "enviados",
    "elementos enviados",
    "itens enviados",
    "posta inviata",
    "inviata",
    "verzonden",
    "verzonden items",
    "wysłane",
    "отправленные",
    "送信済み",
    "已发送",
)
