"""Turns what people have (addresses, files, times, messages) into what the API takes."""
