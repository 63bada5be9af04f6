"""Objects: what is in the photos, and where it came from."""
