"""Migrations: each brings the service's tables to one of its own revisions."""
