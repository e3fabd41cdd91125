"""Tiny random checkpoints of diffusers' real classes, saved as the hub's are: what proves a family without weights."""
