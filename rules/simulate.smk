"""The datasets: from a length, a measurement noise and the simulation's constants to three tables."""

from planning import flags as commands


def test_set_flags(wildcards) -> str:
    return commands.test_set(CONFIG, PLAN, wildcards.dataset)


def training_set_flags(wildcards) -> str:
    return commands.training_set(CONFIG, PLAN, wildcards.training_set)


rule simulate_test_set:
    output:
        truth="results/data/test/{dataset}/truth.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
        measurements="results/data/test/{dataset}/measurements.parquet",
    log:
        "results/logs/simulate_test_set/{dataset}.log",
    benchmark:
        "results/benchmarks/simulate_test_set/{dataset}.tsv"
    wildcard_constraints:
        dataset=r"T\d+_sigma[^/]+",
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("simulate.py"),
        flags=test_set_flags,
        directory=subpath(output.truth, parent=True),
    message:
        "Simulate the test set {wildcards.dataset}"
    shell:
        "python {params.sources[0]:q} {params.flags} --output {params.directory:q} > {log:q} 2>&1"


# Each replicate of a model trains on a block of its own of these experiments.
rule simulate_training_set:
    output:
        truth="results/data/training/{training_set}/truth.parquet",
        initial="results/data/training/{training_set}/initial.parquet",
        measurements="results/data/training/{training_set}/measurements.parquet",
    log:
        "results/logs/simulate_training_set/{training_set}.log",
    benchmark:
        "results/benchmarks/simulate_training_set/{training_set}.tsv"
    priority: 20
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("simulate.py"),
        flags=training_set_flags,
        directory=subpath(output.truth, parent=True),
    message:
        "Simulate the training set {wildcards.training_set}"
    shell:
        "python {params.sources[0]:q} {params.flags} --output {params.directory:q} > {log:q} 2>&1"
