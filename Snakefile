"""From config.yaml to the figures: simulate, train, track, score, count operations, draw, judge."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/config.smk"


configfile: f"{workflow.basedir}/config.yaml"


# Of `--sdm apptainer`: a file beside results/, made from the Dockerfile (profiles/README.md says how).
container: "container.sif"


# Seconds each: on a cluster, in the Snakemake that submits the others.
localrules:
    all,
    write_config,
    tabulate_scores,
    draw_scores,
    tabulate_operations,
    draw_operations,
    judge_claims,
    draw_calibration,
    tabulate_choices,
    draw_choices,
    summarise_run,


include: "rules/common.smk"
include: "rules/simulate.smk"
include: "rules/train.smk"
include: "rules/track.smk"
include: "rules/score.smk"
include: "rules/profile.smk"
include: "rules/figures.smk"
include: "rules/calibration.smk"
include: "rules/claims.smk"
include: "rules/sensitivity.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/config.yaml",
        "results/run.csv",
        claims_files(),
        calibration_files(),
        expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),


rule sensitivity:
    input:
        sensitivity_files,
