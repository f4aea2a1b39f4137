"""The figures: from scores and operation counts to pictures, each beside the table that it was drawn from."""

import itertools
import json
from dataclasses import asdict

from planning.statements import title


def scores_of_study(wildcards) -> list[str]:
    datasets = {dataset for curve in PLAN.curves[wildcards.study] for _, dataset, _ in curve.points}
    return [f"results/scores/{dataset}.parquet" for dataset in sorted(datasets)]


def curves_file(wildcards) -> str:
    return kept(
        json.dumps([asdict(curve) for curve in PLAN.curves[wildcards.study]], ensure_ascii=False), "json"
    )


def tabulation_flags(wildcards) -> str:
    return flags({"columns": CONFIG["figures"]["panels"]})


def drawing_flags(wildcards) -> str:
    study = CONFIG["studies"][wildcards.study]
    said = {"title": title(CONFIG, PLAN, wildcards.study)}
    return flags({key: study.get(key) for key in ("x", "scale")} | said | style_flags())


def operations_drawing_flags(wildcards) -> str:
    return flags({"title": CONFIG["operation_counts"][wildcards.cost]["title"]} | style_flags())


def style_flags() -> dict:
    """Return the flags of the look; a method that declares none has one of the spare palettes."""
    spare = itertools.cycle(CONFIG["figures"]["spare_palettes"])
    looks = {
        name: {"role": "reference"} if method.role else dict(method.style) or {"palette": next(spare)}
        for name, method in PLAN.methods.items()
    }
    return {"styles": json.dumps(looks), "dots_per_inch": CONFIG["figures"]["dots_per_inch"]}


rule tabulate_scores:
    input:
        sources=sources("tabulate_scores.py"),
        scores=scores_of_study,
    output:
        parquet="results/figures/{study}.parquet",
        csv="results/figures/{study}.csv",
    log:
        "results/logs/tabulate_scores/{study}.log",
    benchmark:
        "results/benchmarks/tabulate_scores/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        curves=curves_file,
        flags=tabulation_flags,
    shell:
        "python {input.sources[0]:q} --scores {input.scores:q} --curves - {params.flags}"
        " --output {output.parquet:q} --csv {output.csv:q} < {params.curves:q} > {log:q} 2>&1"


rule draw_scores:
    input:
        sources=sources("draw_scores.py"),
        table="results/figures/{study}.parquet",
    output:
        png="results/figures/{study}.png",
        pdf="results/figures/{study}.pdf",
    log:
        "results/logs/draw_scores/{study}.log",
    benchmark:
        "results/benchmarks/draw_scores/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=drawing_flags,
    shell:
        "python {input.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule draw_operations:
    input:
        sources=sources("draw_operations.py"),
        table="results/figures/{cost}.parquet",
    output:
        png="results/figures/{cost}.png",
        pdf="results/figures/{cost}.pdf",
    log:
        "results/logs/draw_operations/{cost}.log",
    benchmark:
        "results/benchmarks/draw_operations/{cost}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=operations_drawing_flags,
    shell:
        "python {input.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
