"""The API's operations, written once, without I/O."""
