"""OAuth 2 (RFC 6749) for relays and mailboxes, as a library: grants, token endpoints, and a person's authorization.

It stores nothing and knows no database; ``apps.oauth_tokens`` keeps the tokens.
"""
