"""A store in the browser: its map, its objects, their neighbors and measures, linked.

``served_store`` and what it needs return values and know no web; ``app`` has the routes, ``server`` runs it.
The page is written in ``web/`` and built into ``static/``.
"""
