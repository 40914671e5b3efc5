"""Statistics of next-token distributions that the decoder chooses positions by."""

from dlm_kernels.confidence.reference import TokenStatistics, token_statistics

__all__ = ["TokenStatistics", "token_statistics"]
