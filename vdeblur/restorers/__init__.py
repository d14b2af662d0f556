"""Restorers other than networks, and wrappers of restorers: classical filters, fallback, blending, scaling."""
