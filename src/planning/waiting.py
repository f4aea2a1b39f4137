"""What a finished run would wait for."""

import threading


def cancel_timers() -> None:
    """Cancel the timers of Snakemake's limit of jobs per timespan, which else live on for that span."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
