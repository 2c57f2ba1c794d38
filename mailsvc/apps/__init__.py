"""What belongs to an app: its relays, webhooks and suppressions."""
