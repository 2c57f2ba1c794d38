"""The objects of an app: relays, webhooks, keys and suppressions. Rows and verbs; one writer per table."""
