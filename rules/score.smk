"""The scores: from all tracks that a study wants on a test set, and its truth, to one table."""


def tracked_by(tracker: str, dataset: str) -> str:
    """Return what a tracker makes of a test set: a directory where it has a model, a table otherwise."""
    directory = f"results/tracks/{tracker}/{dataset}"
    return directory if tracker in PLAN.model_of else f"{directory}/0.parquet"


def tracked(wildcards) -> list[str]:
    trackers = sorted(PLAN.scored[wildcards.study, wildcards.dataset])
    return [tracked_by(tracker, wildcards.dataset) for tracker in trackers]


def score_flags(wildcards) -> str:
    trackers = sorted(PLAN.scored[wildcards.study, wildcards.dataset])
    rows = [(tracker, replicate) for tracker in trackers for replicate in PLAN.replicates(tracker)]
    tracks = [path for tracker in trackers for path in tracks_of(tracker, wildcards.dataset)]
    names, replicates = map(list, zip(*rows))
    return flags(CONFIG["scores"] | {"tracks": tracks, "tracker": names, "replicate": replicates})


rule score_tracks:
    input:
        truth="results/data/test/{dataset}/truth.parquet",
        measurements="results/data/test/{dataset}/measurements.parquet",
        tracks=tracked,
    output:
        "results/scores/{study}/{dataset}.parquet",
    log:
        "results/logs/score_tracks/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/score_tracks/{study}/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        sources=sources("score.py"),
        flags=score_flags,
    message:
        "Score the tracks of {wildcards.study} on the test set {wildcards.dataset}"
    shell:
        "python {params.sources[0]:q} --truth {input.truth:q} --measurements {input.measurements:q}"
        " {params.flags} --output {output:q} > {log:q} 2>&1"
