"""objectspace."""
