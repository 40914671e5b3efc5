"""From keystroke to keystroke: when a model is asked, and when an earlier answer is enough."""
