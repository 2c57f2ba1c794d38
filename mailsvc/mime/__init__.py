"""Pure functions between messages and bytes."""
