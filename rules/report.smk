"""What the results were made with: the config as it was merged, what the jobs took, and the pages of the report."""

import yaml


def config_file(wildcards) -> str:
    return kept(yaml.safe_dump(DECLARED, allow_unicode=True, sort_keys=False, width=120), "yaml")


def planned_jobs() -> dict[str, list[str]]:
    """Return by rule the jobs that make the results of this config, as their logs and benchmarks are named."""
    named = {True: [], False: []}
    for tracker, dataset in sorted(PLAN.told):
        named[tracker in PLAN.model_of].append(f"{tracker}/{dataset}")
    counted = sorted({figure for figure, _ in PLAN.counted})
    alone = {
        "calibrate": calibration_files(),
        "draw_calibration": calibration_files(),
        "judge_claims": claims_files(),
    }
    return {
        "simulate_test_set": sorted(name for name in PLAN.test_sets if not recording_of(name)),
        "import_recording": sorted(name for name in PLAN.test_sets if recording_of(name)),
        "simulate_training_set": sorted(PLAN.training_sets),
        "train": sorted(PLAN.models),
        "track": named[False],
        "track_trained": named[True],
        "score_tracks": [f"{study}/{dataset}" for study, dataset in sorted(PLAN.scored)],
        "count_operations": [f"{figure}/{method}" for figure, method in sorted(PLAN.counted)],
        "tabulate_scores": list(PLAN.curves),
        "draw_scores": list(PLAN.curves),
        "tabulate_operations": counted,
        "draw_together": list(TOGETHER),
        "draw_sequence": list(SEQUENCES),
        "tabulate_closeness": list(CLOSENESS),
        "draw_closeness": list(CLOSENESS),
        "draw_operations": counted,
        "import_movie": sorted({movie.recording for movie in MOVIES.values()}),
        "track_movie": [name for name in MOVIE_TRACKERS if name not in WITH_MARGINS],
        "track_movie_with_margins": sorted(WITH_MARGINS),
        "export_movie": list(EXPORTED),
        "draw_movie": list(MOVIES),
        **{rule: [""] for rule, files in alone.items() if files},
    }


def picture_files() -> list[str]:
    joint = [f"results/together/{figure}.png" for figure in TOGETHER]
    shown = [f"results/sequences/{picture}.gif" for picture in SEQUENCES]
    return (
        joint
        + shown
        + [f"results/closeness/{picture}.{format}" for picture in CLOSENESS for format in FORMATS]
        + movie_files()
    )


def pages() -> dict[str, tuple[str, str]]:
    """Return the category and the label of each page of the report; without claims there is no ledger."""
    ledger_page = {"claims": (CLAIMS, "which claims hold")} if claims_files() else {}
    return ledger_page | {
        "config": (HOW_IT_WAS_MADE, "config"),
        "run": (HOW_IT_WAS_MADE, "jobs by rule"),
        "versions": (HOW_IT_WAS_MADE, "versions"),
    }


def page_files() -> list[str]:
    return [f"results/pages/{name}.html" for name in pages()]


def marked_pages() -> dict:
    return {
        name: report(path, caption=f"../report/{name}.rst", category=category, labels={"table": label})
        for path, (name, (category, label)) in zip(page_files(), pages().items())
    }


def claims_flag(wildcards) -> str:
    return flags({"claims": "results/claims.csv" if claims_files() else None})


def jobs_file(wildcards) -> str:
    return kept(json.dumps(planned_jobs()), "json")


rule write_config:
    output:
        "results/config.yaml",
    log:
        "results/logs/write_config.log",
    localrule: True
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(100),
        runtime=growing(1),
    params:
        text=config_file,
    message:
        "Write the merged config"
    shell:
        "cp {params.text:q} {output:q} 2> {log:q}"


rule summarise_run:
    input:
        figures=expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),
        claims=claims_files(),
        calibration=calibration_files(),
        pictures=picture_files(),
    output:
        "results/run.csv",
    log:
        "results/logs/summarise_run.log",
    localrule: True
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(100),
        runtime=growing(5),
    params:
        sources=sources("summarise_run.py"),
        jobs=jobs_file,
    message:
        "Sum up how long each rule took"
    shell:
        "python {params.sources[0]:q} --jobs {params.jobs:q} --benchmarks results/benchmarks --logs results/logs"
        " --output {output:q} > {log:q} 2>&1"


# The pages of `snakemake --report`: what a browser shows, where it would only offer a table or a config to be saved.
rule write_pages:
    input:
        claims=claims_files(),
        run="results/run.csv",
        config="results/config.yaml",
    output:
        **marked_pages(),
    log:
        "results/logs/write_pages.log",
    benchmark:
        "results/benchmarks/write_pages.tsv"
    localrule: True
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(100),
        runtime=growing(5),
    params:
        sources=sources("write_pages.py"),
        claims=claims_flag,
        directory=subpath(output.versions, parent=True),
    message:
        "Write the pages of the report"
    shell:
        "python {params.sources[0]:q} --run {input.run:q} --config {input.config:q} --output {params.directory:q}"
        " {params.claims} > {log:q} 2>&1"
