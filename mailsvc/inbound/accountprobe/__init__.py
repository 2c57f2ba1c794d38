"""Finds out what a mail account supports, by mails that it sends to itself."""
