"""The arrivals: stored, listed, searched and shown; and what the reader of a mailbox remembers."""
