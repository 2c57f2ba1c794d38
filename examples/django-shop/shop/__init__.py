"""A shop that sends its receipts in its own transactions."""
