"""Measuring restorations against the truth."""
