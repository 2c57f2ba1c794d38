"""The objects of an app: relays, webhooks, keys and suppressions. Holds rows and verbs; each table has one writer."""
