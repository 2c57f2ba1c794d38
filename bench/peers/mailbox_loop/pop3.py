"""Each mail of a POP3 mailbox into a file, by poplib: ``python -m bench.peers.mailbox_loop.pop3``; settings on stdin."""

import json
import poplib
import ssl
import sys
import time
from pathlib import Path

settings = json.load(sys.stdin)
directory = Path(settings["directory"])
context = ssl.create_default_context(cadata=settings["ca_pem"])
began = time.monotonic()
box = poplib.POP3_SSL(settings["host"], settings["port"], context=context)
box.user(settings["user"])
box.pass_(settings["password"])
count = 0
for line in box.uidl()[1]:
    number, uid = line.split()
    (directory / f"{uid.decode()}.eml").write_bytes(b"\r\n".join(box.retr(int(number))[1]) + b"\r\n")
    count += 1
box.quit()
print(json.dumps({"mails": count, "seconds": time.monotonic() - began}))
