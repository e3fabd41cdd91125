"""Flipbook: an open studio that makes short video clips with sound, on a plain machine."""
