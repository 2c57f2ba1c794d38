"""Durable callbacks: functions of the host that are called with each event, in the feed's order, at least once."""
