"""Ways to run a network; PyTorch is the first."""
