"""Watches mailboxes: reads what arrives, stores it, then says what it is."""
