"""The paper on a user's own store: its claims, its figures, the report that shows them, and the demo."""
