"""The role ``intake``: takes up the mails that applications insert into ``mailsvc_submission``."""
