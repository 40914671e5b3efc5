"""The model's text, fitted into its hole and judged by the parser."""
