"""Queries from outside the store: what an image shows, what lies under a click on it, and words.

Each is embedded by the recipe of a space, as indexing would have done. What a stored image answers without a
network (``stored``, ``points``) imports none.
"""
