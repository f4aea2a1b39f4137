"""From config.yaml to the figures: simulate, train, track, score, count operations, draw, judge."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/config.smk"


configfile: f"{workflow.basedir}/config.yaml"


report: "report/workflow.rst"


# For `--sdm apptainer`: a file beside results/, made from the Dockerfile (profiles/README.md says how).
container: "container.sif"


include: "rules/common.smk"
include: "rules/simulate.smk"
include: "rules/recordings.smk"
include: "rules/train.smk"
include: "rules/track.smk"
include: "rules/score.smk"
include: "rules/operations.smk"
include: "rules/figures.smk"
include: "rules/movies.smk"
include: "rules/calibration.smk"
include: "rules/claims.smk"
include: "rules/readings.smk"
include: "rules/scaling_law.smk"
include: "rules/costs.smk"
include: "rules/peers.smk"
include: "rules/beyond.smk"
include: "rules/report.smk"
include: "rules/screens.smk"


rule all:
    default_target: True
    input:
        "results/config.yaml",
        "results/run.csv",
        page_files(),
        claims_files(),
        calibration_files(),
        picture_files(),
        expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),
    localrule: True


rule readings:
    input:
        readings_files,
    localrule: True


rule scaling_law:
    input:
        scaling_files,
    localrule: True


rule peers:
    input:
        peers_files,
    localrule: True


rule recordings:
    input:
        recordings_files,
    localrule: True


rule beyond:
    input:
        beyond_files,
    localrule: True


include: "rules/targets.smk"


onsuccess:
    waiting.cancel_timers()
    logger.info(last_screen_of_run())


onerror:
    waiting.cancel_timers()
