"""What several test modules share: media, networks, processes, and what they need of the machine."""
