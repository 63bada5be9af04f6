"""Analyses: numbers about spaces, each with its chance level and interval; nothing is drawn here."""
