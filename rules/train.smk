"""The transformers: from a training set to one file with all replicates of a model."""


# The longest jobs go first. Checkpoints lie beside the model and are not declared, so that a killed training goes on.
rule train_transformer:
    input:
        script=script("train"),
        modules=modules("train"),
        dataset=training_set_files,
    output:
        model="results/models/{model}/model.pt",
        learning_curve="results/models/{model}/learning_curve.parquet",
    log:
        "results/logs/train_transformer/{model}.log",
    benchmark:
        "results/benchmarks/train_transformer/{model}.tsv"
    priority: 10
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        gpu=1,
    params:
        flags=training_flags,
        dataset=training_set_directory,
    shell:
        "python {input.script:q} --dataset {params.dataset:q} {params.flags} --device auto --threads {threads}"
        " --checkpoint-seconds 60 --output {output.model:q} --learning-curve {output.learning_curve:q}"
        " > {log:q} 2>&1"
