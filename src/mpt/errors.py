"""The one exception that means the user, not the program, is to change something."""


class InputError(ValueError):
    """What the user gave is wrong; the message names the file and the row, or the experiment and frame."""
