"""Reads and writes video files, image sequences and pipes, through PyAV."""
