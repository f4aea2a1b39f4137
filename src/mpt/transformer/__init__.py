"""The networks, their training and their files."""
