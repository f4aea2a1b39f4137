"""How the config becomes a list of jobs. Nothing here imports what takes time: every cluster job reads it."""
