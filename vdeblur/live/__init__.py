"""Cameras, screens and network streams, restored as they come."""
