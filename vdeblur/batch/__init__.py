"""Many inputs, on one machine or on several."""
