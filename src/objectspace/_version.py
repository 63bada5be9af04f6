"""The package's version: one place, read by the build and written into every recipe."""

__version__ = "0.2.0"
