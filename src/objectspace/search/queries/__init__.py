"""Queries from outside the store: the objects of an image, the object under a click on it, and words.

Each is embedded by the recipe of a space, as indexing would have done. What a stored image answers without a
network (``stored``, ``points``) imports none.
"""
