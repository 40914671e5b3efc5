"""What one denoise step decides: which guesses, in which order, how many, and what is revised."""
