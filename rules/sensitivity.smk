"""The sensitivity study: the claims under choices that the paper leaves open. `all` needs none of it.

A job judges all choices of a scene, from simulation to verdict: a rule per step would be thousands of jobs, most of
them shorter than what it takes to start one.
"""


rule judge_choices:
    input:
        script=script("judge_choices"),
        modules=modules("judge_choices"),
    output:
        "results/sensitivity/{part}/{scene}.parquet",
    log:
        "results/logs/judge_choices/{part}/{scene}.log",
    benchmark:
        "results/sensitivity/benchmarks/judge_choices/{part}/{scene}.tsv"
    conda:
        "../envs/sensitivity.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        flags=choices_flags,
    shell:
        "python {input.script:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule tabulate_choices:
    input:
        script=script("tabulate_choices"),
        modules=modules("tabulate_choices"),
        choices=choices_files,
    output:
        parquet="results/sensitivity.parquet",
        csv="results/sensitivity.csv",
    log:
        "results/logs/tabulate_choices.log",
    benchmark:
        "results/sensitivity/benchmarks/tabulate_choices.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    shell:
        "python {input.script:q} --choices {input.choices:q} --output {output.parquet:q} --csv {output.csv:q}"
        " > {log:q} 2>&1"


rule draw_choices:
    input:
        script=script("draw_choices"),
        modules=modules("draw_choices"),
        table="results/sensitivity.parquet",
    output:
        png="results/sensitivity.png",
        pdf="results/sensitivity.pdf",
    log:
        "results/logs/draw_choices.log",
    benchmark:
        "results/sensitivity/benchmarks/draw_choices.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=sensitivity_drawing_flags,
    shell:
        "python {input.script:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
