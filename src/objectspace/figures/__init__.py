"""Figures: results drawn, one file for each kind of result."""
