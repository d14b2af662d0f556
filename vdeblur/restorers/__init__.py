"""What stands in for a network or wraps one: classical filters, fallback, blending, scaling."""
