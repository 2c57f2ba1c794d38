"""Loops, signals and wake-ups: how long-running parts live and stop."""
