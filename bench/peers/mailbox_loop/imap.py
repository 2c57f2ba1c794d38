"""Each mail of an IMAP folder into a file, by imap_tools: ``python -m bench.peers.mailbox_loop.imap``; settings on stdin."""

import json
import ssl
import sys
import time
from pathlib import Path

from imap_tools import MailBox

settings = json.load(sys.stdin)
directory = Path(settings["directory"])
context = ssl.create_default_context(cadata=settings["ca_pem"])
began = time.monotonic()
with MailBox(settings["host"], settings["port"], ssl_context=context).login(
    settings["user"], settings["password"]
) as box:
    count = 0
    for message in box.fetch(mark_seen=False):
        (directory / f"{message.uid}.eml").write_bytes(message.obj.as_bytes())
        count += 1
print(json.dumps({"mails": count, "seconds": time.monotonic() - began}))
