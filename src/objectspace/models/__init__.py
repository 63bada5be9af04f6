"""Networks, their weights, and what they make of images: torch lives here."""
