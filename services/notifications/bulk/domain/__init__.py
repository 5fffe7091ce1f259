"""Decides, and is pure."""
