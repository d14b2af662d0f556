"""Measures restorations against sharp ground truth, and explains them."""
