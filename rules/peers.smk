"""The comparison with trackers of others: beside their scores what they cost, as a table and a figure."""

from snakemake.exceptions import WorkflowError


def peers_files(wildcards) -> list[str]:
    """Return the figures and tables of the studies in which a tracker is not the project's."""
    others = {name for name, method in PLAN.methods.items() if not is_own(Path(method.script))}
    compared = [study for study, curves in PLAN.curves.items() if others & {curve.method for curve in curves}]
    if not compared:
        raise WorkflowError("No study has a tracker of others: add --configfile trackers/peers.yaml")
    return expand("results/costs/{study}.{format}", study=compared, format=FORMATS) + claims_files()


rule tabulate_costs:
    input:
        sources=sources("tabulate_costs.py"),
        table="results/figures/{study}.parquet",
    output:
        parquet="results/costs/{study}.parquet",
        csv="results/costs/{study}.csv",
    log:
        "results/logs/tabulate_costs/{study}.log",
    benchmark:
        "results/benchmarks/tabulate_costs/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    message:
        "Tabulate what the trackers of {wildcards.study} cost"
    shell:
        "python {input.sources[0]:q} --table {input.table:q} --logs results/logs/track"
        " --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_costs:
    input:
        sources=sources("draw_scores.py"),
        table="results/costs/{study}.parquet",
    output:
        png=report(
            "results/costs/{study}.png",
            caption="../report/costs.rst",
            category=BEYOND,
            labels={"figure": "{study}: what trackers of others cost"},
        ),
        pdf="results/costs/{study}.pdf",
    log:
        "results/logs/draw_costs/{study}.log",
    benchmark:
        "results/benchmarks/draw_costs/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=drawing_flags,
    message:
        "Draw what the trackers of {wildcards.study} cost"
    shell:
        "python {input.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
