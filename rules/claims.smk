"""The claims: from scores and operation counts to a verdict on what the paper says of each figure."""


rule judge_claims:
    input:
        script=script("judge_claims"),
        modules=modules("judge_claims"),
        scores=claimed_scores,
        operations=claimed_operations,
    output:
        parquet="results/claims.parquet",
        csv="results/claims.csv",
        markdown="results/claims.md",
    log:
        "results/logs/judge_claims.log",
    benchmark:
        "results/benchmarks/judge_claims.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        flags=judging_flags,
    shell:
        "python {input.script:q} --scores {input.scores:q} --operations {input.operations:q} {params.flags}"
        " --output {output.parquet:q} --csv {output.csv:q} --markdown {output.markdown:q} > {log:q} 2>&1"
