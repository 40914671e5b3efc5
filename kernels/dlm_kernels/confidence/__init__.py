"""Statistics of token distributions, by which the decoder chooses positions."""

from dlm_kernels.confidence.reference import TokenStatistics, token_statistics

__all__ = ["TokenStatistics", "token_statistics"]
