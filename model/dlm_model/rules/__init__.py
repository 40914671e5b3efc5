"""What a canvas is bound to: its boundaries, its length and end, fixed text, a grammar."""
