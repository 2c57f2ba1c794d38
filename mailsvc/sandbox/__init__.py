"""A real SMTP submission server on loopback that delivers to nobody."""
