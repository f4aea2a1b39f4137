"""What trackers cost beside how well they track: a table and a figure, for the targets that compare costs."""


def logs_of_trackers(wildcards) -> list[str]:
    """Return where the logs of a study's trackers are: those of trained ones lie apart."""
    trained = {PLAN.methods[curve.method].is_trained for curve in PLAN.curves[wildcards.study]}
    where = {False: "results/logs/track", True: "results/logs/track_trained"}
    return [where[kind] for kind in sorted(trained)]


rule tabulate_costs:
    input:
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
    params:
        sources=sources("tabulate_costs.py"),
        logs=logs_of_trackers,
    message:
        "Tabulate what the trackers of {wildcards.study} cost"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} --logs {params.logs}"
        " --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_costs:
    input:
        table="results/costs/{study}.parquet",
    output:
        png=report(
            "results/costs/{study}.png",
            caption="../report/costs.rst",
            category=COST,
            labels={"figure": "{study}: what its trackers cost"},
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
        sources=sources("draw_scores.py"),
        flags=drawing_flags,
    message:
        "Draw what the trackers of {wildcards.study} cost"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
