"""The systems that mailsvc is compared with, each fed with the same mails into the same sink."""
