"""From config.yaml to the figures: simulate, train, track, score, count operations, draw, judge."""

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/simulate.smk"
include: "rules/train.smk"
include: "rules/track.smk"
include: "rules/score.smk"
include: "rules/profile.smk"
include: "rules/figures.smk"
include: "rules/claims.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/config.yaml",
        "results/run.csv",
        claims_files(),
        expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),
