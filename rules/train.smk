"""The models: from a training set to one file with all replicates of a network."""


def training_method(wildcards):
    return PLAN.methods[PLAN.method_of[wildcards.model]]


def training_sources(wildcards) -> list[str]:
    return made_of(training_method(wildcards).training_script)


def training_set_directory(wildcards) -> str:
    return f"results/data/training/{PLAN.training_set_of[wildcards.model]}"


def training_set_tables(wildcards) -> list[str]:
    directory = training_set_directory(wildcards)
    return [f"{directory}/{table}.parquet" for table in ("truth", "initial", "measurements")]


def training_flags(wildcards) -> str:
    return flags(PLAN.models[wildcards.model])


# The longest jobs go first. Checkpoints lie beside the model and are not declared, so that a killed training goes on.
rule train:
    input:
        dataset=training_set_tables,
    output:
        model="results/models/{model}/model.pt",
        learning_curve="results/models/{model}/learning_curve.parquet",
    log:
        "results/logs/train/{model}.log",
    benchmark:
        "results/benchmarks/train/{model}.tsv"
    priority: 10
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        gpu=1,
    params:
        sources=training_sources,
        flags=training_flags,
        dataset=training_set_directory,
    message:
        "Train {wildcards.model} (gpu={resources.gpu})"
    shell:
        "python {params.sources[0]:q} --dataset {params.dataset:q} {params.flags} --device auto --threads {threads}"
        " --checkpoint-seconds 60 --output {output.model:q} --learning-curve {output.learning_curve:q}"
        " > {log:q} 2>&1"
