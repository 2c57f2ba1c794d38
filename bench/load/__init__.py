"""Load generators, each a process of its own, lean enough not to be the limit."""
