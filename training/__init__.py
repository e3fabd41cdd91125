"""How Pocket is made, read top to bottom: sources, world, autoencoders, transformer, evaluation.

Imports studio.engine, studio.media and studio.domain; nothing of the studio imports this.
"""
