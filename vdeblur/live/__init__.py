"""Cameras, screens and network streams, restored in real time."""
