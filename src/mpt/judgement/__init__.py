"""From scores and counts to verdicts: statistics, fitted laws, claims."""
