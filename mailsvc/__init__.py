"""mailsvc: a durable mail-sending service for applications."""
