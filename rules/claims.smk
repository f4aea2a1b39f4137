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
        ledger=judged_ledger,
    # A program takes no argument as long as the claims about a large study.
    shell:
        "printf '%s' {params.ledger:q} | python {input.script:q} --scores {input.scores:q}"
        " --operations {input.operations:q} --ledger -"
        " --output {output.parquet:q} --csv {output.csv:q} --markdown {output.markdown:q} > {log:q} 2>&1"
