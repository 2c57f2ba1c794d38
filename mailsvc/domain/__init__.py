"""Pure rules and words: no I/O, no clock, no chance (both come in as arguments)."""
