"""One input, restored whole or in segments."""
