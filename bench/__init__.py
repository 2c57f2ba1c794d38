"""Measures mailsvc against its peers on this machine; no part of the product, nothing in mailsvc imports it."""
