"""What the service does with the rows of ``mailsvc_submission``: take up, refuse, show, retry, drop."""
