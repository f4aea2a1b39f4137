"""What tracks are worth against the truth."""
