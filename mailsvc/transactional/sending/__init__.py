"""Turns the keywords of ``send`` into a draft, as the SDK does: ``make copies`` copies these modules from it."""
