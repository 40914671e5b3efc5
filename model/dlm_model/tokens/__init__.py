"""Text as token ids, and what the decoder must know of single tokens."""
