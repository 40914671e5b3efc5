"""Models on disk: which can be had, where they are, how they are pulled, and how much memory they take."""
