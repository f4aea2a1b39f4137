"""The trackers: from a test set's measurements and starts to tracks, by whatever method the config declares.

A method of the user's own runs under supervision, which checks what it wrote; those of the project check themselves.
Only a method that needs the truth may open it.
"""


def method_of(tracker: str):
    return PLAN.methods[PLAN.method_of[tracker]]


def is_own(script: Path) -> bool:
    """Say whether a script is the project's."""
    return Path(os.path.abspath(script)).is_relative_to(PROJECT / "src")


def tracking_sources(wildcards) -> list[str]:
    return sources_of_method(method_of(wildcards.tracker))


def sources_of_method(method) -> list[str]:
    """Return the script to run, and a digest; a user's script is run by its supervisor."""
    script = Path(method.script)
    scripts = [script] if is_own(script) else [SOURCES / "supervise.py", script]
    return made_of(*scripts)


def tracking_truth(wildcards) -> list[str]:
    """Return the truth if the method needs it, or an option feeds it back: a leak, and labelled as one."""
    told = PLAN.told[wildcards.tracker, wildcards.dataset]
    opened = "truth" in method_of(wildcards.tracker).needs or "truth" in told.values()
    return test_set_tables(wildcards.dataset, "truth") if opened else []


def tracking_flags(wildcards) -> str:
    method = method_of(wildcards.tracker)
    options = dict(PLAN.told[wildcards.tracker, wildcards.dataset])
    if truth := tracking_truth(wildcards):
        options["truth"] = truth[0]
    return flags(options) if method.is_trained else supervised_flags(method, options)


def supervised_flags(method, options: dict) -> str:
    """Return the options of a tracker; of a user's script, after what its supervisor is told."""
    if is_own(Path(method.script)):
        return flags(options)
    supervision = {"method": method.name, "script": method.script, "seconds": method.seconds}
    return f"{flags(supervision)} -- {flags(options)}".strip()


rule track:
    input:
        truth=tracking_truth,
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        "results/tracks/{tracker}/{dataset}/0.parquet",
    log:
        "results/logs/track/{tracker}/{dataset}.log",
    benchmark:
        "results/benchmarks/track/{tracker}/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        sources=tracking_sources,
        flags=tracking_flags,
    message:
        "Track the test set {wildcards.dataset} by {wildcards.tracker}"
    shell:
        "python {params.sources[0]:q} --measurements {input.measurements:q} --initial {input.initial:q}"
        " --output {output:q} {params.flags} > {log:q} 2>&1"


def trained_tracking_sources(wildcards) -> list[str]:
    return made_of(method_of(wildcards.tracker).script)


def model_file(wildcards) -> str:
    return f"results/models/{PLAN.model_of[wildcards.tracker]}/model.pt"


def replicate_files(wildcards) -> list[str]:
    return tracks_of(wildcards.tracker, wildcards.dataset)


def tracks_of(tracker: str, dataset: str) -> list[str]:
    """Return the tables of tracks that a tracker makes of a test set, one each training."""
    return [
        f"results/tracks/{tracker}/{dataset}/{replicate}.parquet" for replicate in PLAN.replicates(tracker)
    ]


# The number of its tables is that of the model's trainings: a directory is declared instead of them.
rule track_trained:
    input:
        truth=tracking_truth,
        model=model_file,
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        directory("results/tracks/{tracker}/{dataset}"),
    log:
        "results/logs/track_trained/{tracker}/{dataset}.log",
    benchmark:
        "results/benchmarks/track_trained/{tracker}/{dataset}.tsv"
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=1,
    params:
        sources=trained_tracking_sources,
        flags=tracking_flags,
        tracks=replicate_files,
    message:
        "Track the test set {wildcards.dataset} by {wildcards.tracker} (gpu={resources.gpu})"
    shell:
        "python {params.sources[0]:q} --model {input.model:q} --measurements {input.measurements:q}"
        " --initial {input.initial:q} --device auto --threads {threads} --output {params.tracks:q} {params.flags}"
        " > {log:q} 2>&1"
