"""Many inputs, on one machine or many."""
