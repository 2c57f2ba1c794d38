"""The one recorder: the only writer of what became of a delivery."""
