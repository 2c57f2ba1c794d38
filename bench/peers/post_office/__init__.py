"""django-post_office on SQLite. Run with the peers' own interpreter."""
