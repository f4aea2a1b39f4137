"""What a person reads on the screen: before a run what it will make, after it what was found."""

import logging

from snakemake_interface_logger_plugins.common import LogEvent

from planning import forecast, last_screen, waiting

REFERENCE = SOURCES.parent / "results/reference"


class InWords(logging.Filter):
    """Adds to Snakemake's table of jobs, in a dry run too, what they make and how long that takes.

    A dry run has the table twice, before and after its jobs: here once, where it does not scroll away.
    """

    jobs_follow = True

    def filter(self, record) -> bool:
        if getattr(record, "event", None) is LogEvent.RUN_INFO and getattr(record, "stats", None):
            if workflow.dryrun and self.jobs_follow:
                self.jobs_follow = False
                return False
            runs = {"your last run": Path("results"), "the reference run": REFERENCE}
            found = {name: run for name, path in runs.items() if (run := forecast.measured(path))}
            planned = {rule: len(jobs) for rule, jobs in planned_jobs().items()}
            cores = workflow.resource_settings.cores
            words = forecast.in_words(record.stats, planned, forecast.work(PLAN), found, cores)
            record.msg = f"{record.msg.rstrip()}\n\n{words}\n"
        return True


def last_screen_of_run() -> str:
    """Return what the run was asked for; other claims and figures may be there, but of an earlier config."""
    asked = {str(path) for job in workflow.dag.jobs for path in job.output}
    claims = Path("results/claims.csv")
    judgement = CONFIG["judgement"]
    short, against = [], ""
    if str(claims) in asked:
        short = last_screen.claims_in_short(claims, judgement["scores"], judgement["again"])
        against = last_screen.agreement(REFERENCE, Path("results"), SOURCES / "compare_results.py")
    shown = [figure for figure in figures() if f"results/figures/{figure}.png" in asked]
    drawn = {f"results/figures/{figure}.png" for figure in shown}
    others = sorted(path for path in asked - drawn if path.endswith(".png"))
    return last_screen.screen(short, shown, others, Path("results/readings.md"), against)


logger.addFilter(InWords())
