"""A finished run does not wait for the timers that Snakemake leaves."""

import threading

from planning.waiting import cancel_timers


def test_a_cancelled_timer_ends_without_its_work():
    done = []
    timer = threading.Timer(3600, done.append, [1])
    timer.start()
    cancel_timers()
    timer.join(timeout=60)
    assert not timer.is_alive()
    assert done == []


def test_other_threads_go_on():
    go = threading.Event()
    worker = threading.Thread(target=go.wait)
    worker.start()
    cancel_timers()
    assert worker.is_alive()
    go.set()
    worker.join()
