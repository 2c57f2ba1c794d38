"""Shared by long-running processes: loops, group commits, heartbeats, wake-ups, lock files, connections."""
