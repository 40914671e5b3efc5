"""How the learning rate goes over a run: up, along, and down."""

from dlm_model.training.options import TrainingOptions
from dlm_model.training.run_state import Progress


def learning_rate_factor(progress: Progress, options: TrainingOptions) -> float:
    """Linear warm-up, plateau, linear decay; in (0, 1]."""
    factor = min(1.0, (progress.step + 1) / max(1, options.warmup_steps))
    if progress.decay_start is not None:
        factor *= 1.0 - (progress.step - progress.decay_start) / progress.decay_steps
    return factor
