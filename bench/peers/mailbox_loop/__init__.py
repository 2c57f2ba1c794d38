"""Loops that read a mailbox into files: what an application writes for itself."""
