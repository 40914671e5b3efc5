"""Models on disk: which there are to have, where they lie, how they come, and what memory they take."""
