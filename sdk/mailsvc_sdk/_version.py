"""The SDK's version, which is the service's too."""

__version__ = "0.1.0"
