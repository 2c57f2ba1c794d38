"""Celery, Redis and smtplib: what most Python teams build for themselves. Run with the peers' own interpreter."""
