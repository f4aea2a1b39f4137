"""The claims: from scores and operation counts to a verdict on what the paper says of each figure."""

from planning.ledger import OF_OPERATIONS


def claims_files() -> list[str]:
    return [f"results/claims.{suffix}" for suffix in ("parquet", "csv", "md")] if LEDGER["claims"] else []


def claimed_scores(wildcards) -> list[str]:
    tables = {
        f"results/scores/{study}/{dataset}.parquet"
        for study, figure in LEDGER["figures"].items()
        for points in figure["curves"].values()
        for _, dataset, _ in points
    }
    return sorted(tables)


def claimed_operations(wildcards) -> list[str]:
    claims = LEDGER["claims"].values()
    figures = {claim["figure"] for claim in claims if claim["test"] in OF_OPERATIONS}
    return [f"results/figures/{figure}.parquet" for figure in sorted(figures)]


def ledger_file(wildcards) -> str:
    return kept(json.dumps(LEDGER, ensure_ascii=False), "json")


rule judge_claims:
    input:
        scores=claimed_scores,
        operations=claimed_operations,
    output:
        parquet="results/claims.parquet",
        csv=report(
            "results/claims.csv",
            caption="../report/claims.rst",
            category=CLAIMS,
            labels={"table": "which claims hold, as a file to save (.csv)"},
        ),
        markdown="results/claims.md",
    log:
        "results/logs/judge_claims.log",
    benchmark:
        "results/benchmarks/judge_claims.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        sources=sources("judge_claims.py"),
        ledger=ledger_file,
    message:
        "Judge the claims"
    shell:
        "python {params.sources[0]:q} --scores {input.scores:q} --operations {input.operations:q} --ledger -"
        " --output {output.parquet:q} --csv {output.csv:q} --markdown {output.markdown:q}"
        " < {params.ledger:q} > {log:q} 2>&1"
