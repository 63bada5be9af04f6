"""Controlled pictures: a world of known factors, and one object varied."""
