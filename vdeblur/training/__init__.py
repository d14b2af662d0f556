"""Making pairs of blurred and sharp frames, and learning from them."""
