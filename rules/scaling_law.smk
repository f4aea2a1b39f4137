"""The law of scaling: how a network's error falls with its size and its experiments. `all` needs none of it.

The networks are those of the study named scaling_law, which studies/scaling_law.yaml has.
"""

from planning.scaling import STUDY, scaling

SCALING = scaling(CONFIG, PLAN)


def scaling_files(wildcards) -> list[str]:
    if SCALING is None:
        refuse(
            [f"studies.{STUDY}: there is none; lay studies/scaling_law.yaml over the config by --configfile"]
        )
    return [f"results/scaling_law.{format}" for format in FORMATS]


def scaling_scores(wildcards) -> str:
    return f"results/scores/{STUDY}/{SCALING.dataset}.parquet"


def scaling_models(wildcards) -> list[str]:
    return [f"results/models/{PLAN.model_of[tracker]}/model.pt" for tracker in SCALING.trackers]


def scaling_flags(wildcards) -> str:
    return flags({"trackers": SCALING.trackers, "reference": SCALING.reference, "seed": CONFIG["seed"]})


def scaling_drawing_flags(wildcards) -> str:
    look = {"title": title(CONFIG, PLAN, STUDY), "palette": SCALING.palette}
    return flags(look | resolution())


rule fit_scaling_law:
    input:
        scores=scaling_scores,
        models=scaling_models,
    output:
        parquet="results/scaling_law.parquet",
        csv="results/scaling_law.csv",
    log:
        "results/logs/fit_scaling_law.log",
    benchmark:
        "results/benchmarks/fit_scaling_law.tsv"
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("fit_scaling_law.py"),
        flags=scaling_flags,
    message:
        "Fit the law of scaling"
    shell:
        "python {params.sources[0]:q} --scores {input.scores:q} --models {input.models:q}"
        " {params.flags} --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_scaling_law:
    input:
        table="results/scaling_law.parquet",
    output:
        png="results/scaling_law.png",
        pdf="results/scaling_law.pdf",
    log:
        "results/logs/draw_scaling_law.log",
    benchmark:
        "results/benchmarks/draw_scaling_law.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_scaling_law.py"),
        flags=scaling_drawing_flags,
    message:
        "Draw the law of scaling"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
