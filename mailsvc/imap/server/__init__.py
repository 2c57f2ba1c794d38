"""A small IMAP server (RFC 3501) for one user and one folder, over TLS; the folder is whatever the caller gives it."""

from mailsvc.imap.server.folder import Folder, FolderFull, StoredMail
from mailsvc.imap.server.server import ImapServer

__all__ = ["Folder", "FolderFull", "ImapServer", "StoredMail"]
