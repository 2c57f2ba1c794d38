"""What applications hand in: accepting, reading and steering messages."""
