"""Posts events to webhooks, signed."""
