"""Second opinions on a prediction: a causal model's, and the suffix's."""
