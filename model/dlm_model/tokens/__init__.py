"""Text as token ids, and facts about single tokens that the decoder needs."""
