"""Outcomes of deliveries: the recorder of results, and the actions on waiting deliveries."""
