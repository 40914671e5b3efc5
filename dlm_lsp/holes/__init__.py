"""Where a hole is, and what surrounds it: the document as code."""
