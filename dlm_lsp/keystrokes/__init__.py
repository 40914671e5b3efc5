"""From keystroke to keystroke: when a model is asked, and when what it said before will do."""
