"""The operation counts: floating-point operations per sequence of each method that declares how, over lookbacks."""


def counted_methods(figure: str) -> list[str]:
    return sorted(method for each, method in PLAN.counted if each == figure)


def counting_sources(wildcards) -> list[str]:
    """Return the script that counts, and a digest of it with all that it runs."""
    counting = PLAN.methods[wildcards.method].counting
    return made_of(counting["script"], *counting.get("sources", ()))


def counting_flags(wildcards) -> str:
    return flags(PLAN.counted[wildcards.operations, wildcards.method])


def counts(wildcards) -> list[str]:
    return [
        f"results/flops/{wildcards.operations}/{method}.parquet"
        for method in counted_methods(wildcards.operations)
    ]


rule count_operations:
    output:
        "results/flops/{operations}/{method}.parquet",
    log:
        "results/logs/count_operations/{operations}/{method}.log",
    benchmark:
        "results/benchmarks/count_operations/{operations}/{method}.tsv"
    conda:
        "../envs/operations.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        sources=counting_sources,
        flags=counting_flags,
    message:
        "Count the operations of {wildcards.method} at each K of {wildcards.operations}"
    shell:
        "python {params.sources[0]:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule tabulate_operations:
    input:
        counts=counts,
    output:
        parquet="results/figures/{operations}.parquet",
        csv="results/figures/{operations}.csv",
    log:
        "results/logs/tabulate_operations/{operations}.log",
    benchmark:
        "results/benchmarks/tabulate_operations/{operations}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("tabulate_operations.py"),
    message:
        "Tabulate the operations of {wildcards.operations}"
    shell:
        "python {params.sources[0]:q} --counts {input.counts:q} --output {output.parquet:q} --csv {output.csv:q}"
        " > {log:q} 2>&1"
