"""Objects: what is in the images, and where it came from."""
