"""Restores one input, in one piece or in segments."""
