"""Networks of the Darknet family: cfg file → layers → torch module, and their weight files."""
