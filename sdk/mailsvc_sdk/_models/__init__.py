"""The objects of the API, as this package gives them out."""
