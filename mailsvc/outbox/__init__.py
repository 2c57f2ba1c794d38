"""What applications hand in: building, storing and reading messages."""
