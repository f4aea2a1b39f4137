"""What the results were made with: the config as it was merged, and what the jobs took."""

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
        **{rule: [""] for rule, files in alone.items() if files},
    }


def picture_files() -> list[str]:
    joint = [f"results/together/{figure}.png" for figure in TOGETHER]
    shown = [f"results/sequences/{picture}.gif" for picture in SEQUENCES]
    return (
        joint
        + shown
        + [f"results/closeness/{picture}.{format}" for picture in CLOSENESS for format in FORMATS]
    )


def jobs_file(wildcards) -> str:
    return kept(json.dumps(planned_jobs()), "json")


rule write_config:
    output:
        report(
            "results/config.yaml",
            caption="../report/config.rst",
            category="How it was made",
            labels={"table": "config"},
        ),
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
    shell:
        "cp {params.text:q} {output:q} 2> {log:q}"


rule summarise_run:
    input:
        sources=sources("summarise_run.py"),
        figures=expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),
        claims=claims_files(),
        calibration=calibration_files(),
        pictures=picture_files(),
    output:
        report(
            "results/run.csv",
            caption="../report/run.rst",
            category="How it was made",
            labels={"table": "jobs"},
        ),
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
        jobs=jobs_file,
    shell:
        "python {input.sources[0]:q} --jobs {params.jobs:q} --benchmarks results/benchmarks --logs results/logs"
        " --output {output:q} > {log:q} 2>&1"
