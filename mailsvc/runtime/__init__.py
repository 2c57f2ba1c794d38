"""What long-running processes share: group commits, heartbeats, wake-ups, lock files, connections."""
