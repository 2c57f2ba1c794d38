"""Shared by the tests: real peers, and helpers to create and read messages."""
