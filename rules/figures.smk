"""The figures: from scores and operation counts to pictures, each beside the table that it was drawn from."""


rule tabulate_scores:
    input:
        script=script("tabulate_scores"),
        modules=modules("tabulate_scores"),
        scores=scores_files,
    output:
        parquet="results/figures/{study}.parquet",
        csv="results/figures/{study}.csv",
    log:
        "results/logs/tabulate_scores/{study}.log",
    benchmark:
        "results/benchmarks/tabulate_scores/{study}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        curves=tabulated_curves,
        flags=tabulation_flags,
    # A program takes no argument as long as the curves of a large study.
    shell:
        "printf '%s' {params.curves:q} | python {input.script:q} --scores {input.scores:q} --curves - {params.flags}"
        " --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_scores:
    input:
        script=script("draw_scores"),
        modules=modules("draw_scores"),
        table="results/figures/{study}.parquet",
    output:
        png="results/figures/{study}.png",
        pdf="results/figures/{study}.pdf",
    log:
        "results/logs/draw_scores/{study}.log",
    benchmark:
        "results/benchmarks/draw_scores/{study}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=drawing_flags,
    shell:
        "python {input.script:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule tabulate_operations:
    input:
        script=script("tabulate_operations"),
        modules=modules("tabulate_operations"),
        counts=expand("results/flops/{{cost}}/{tracker}.parquet", tracker=["mht", "transformer"]),
    output:
        parquet="results/figures/{cost}.parquet",
        csv="results/figures/{cost}.csv",
    log:
        "results/logs/tabulate_operations/{cost}.log",
    benchmark:
        "results/benchmarks/tabulate_operations/{cost}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    shell:
        "python {input.script:q} --counts {input.counts:q} --output {output.parquet:q} --csv {output.csv:q}"
        " > {log:q} 2>&1"


rule draw_operations:
    input:
        script=script("draw_operations"),
        modules=modules("draw_operations"),
        table="results/figures/{cost}.parquet",
    output:
        png="results/figures/{cost}.png",
        pdf="results/figures/{cost}.pdf",
    log:
        "results/logs/draw_operations/{cost}.log",
    benchmark:
        "results/benchmarks/draw_operations/{cost}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=cost_drawing_flags,
    shell:
        "python {input.script:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
