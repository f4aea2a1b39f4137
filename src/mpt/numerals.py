"""Text that stands for a number."""


def is_number(text: str) -> bool:
    """Say whether float() reads the text; it reads nan and inf too."""
    try:
        float(text)
    except ValueError:
        return False
    return True
