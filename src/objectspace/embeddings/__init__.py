"""Embeddings: one vector an object, by the crop route or the window route."""
