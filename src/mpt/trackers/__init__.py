"""The trackers that need no training."""
