"""Flipbook: an open studio that makes short video clips with sound, on a plain machine."""

__version__ = "0.1.0"
