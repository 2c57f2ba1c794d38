"""The event log: appending events, and posting old ones again."""
