"""Multiple particle tracking without clutter: simulator, trackers and scores as array functions."""
