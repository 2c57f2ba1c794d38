"""What keeps the tables small and the queue honest: expiry, retention, rescue."""
