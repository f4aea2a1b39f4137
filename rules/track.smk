"""The trackers: from a test set's measurements and starts to tracks. Only the oracle may open the truth."""


rule track_transformer:
    input:
        script=script("track_transformer"),
        modules=modules("track_transformer"),
        model="results/models/{model}/model.pt",
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        expand("results/tracks/{{model}}/{{dataset}}/{replicate}.parquet", replicate=REPLICATES),
    log:
        "results/logs/track_transformer/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/track_transformer/{model}/{dataset}.tsv"
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=1,
    shell:
        "python {input.script:q} --model {input.model:q} --measurements {input.measurements:q}"
        " --initial {input.initial:q} --device auto --threads {threads} --output {output:q} > {log:q} 2>&1"


rule track_mht:
    input:
        script=script("track_mht"),
        modules=modules("track_mht"),
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        "results/tracks/{mht}/{dataset}/0.parquet",
    log:
        "results/logs/track_mht/{mht}/{dataset}.log",
    benchmark:
        "results/benchmarks/track_mht/{mht}/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        flags=mht_flags,
    shell:
        "python {input.script:q} --measurements {input.measurements:q} --initial {input.initial:q} {params.flags}"
        " --threads {threads} --output {output:q} > {log:q} 2>&1"


rule track_bayes:
    input:
        script=script("track_bayes"),
        modules=modules("track_bayes"),
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        "results/tracks/{bayes}/{dataset}/0.parquet",
    log:
        "results/logs/track_bayes/{bayes}/{dataset}.log",
    benchmark:
        "results/benchmarks/track_bayes/{bayes}/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        flags=bayes_flags,
    shell:
        "python {input.script:q} --measurements {input.measurements:q} --initial {input.initial:q} {params.flags}"
        " --output {output:q} > {log:q} 2>&1"


rule track_control:
    input:
        script=script("track_control"),
        modules=modules("track_control"),
        truth="results/data/test/{dataset}/truth.parquet",
        measurements="results/data/test/{dataset}/measurements.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
    output:
        "results/tracks/{control}/{dataset}/0.parquet",
    log:
        "results/logs/track_control/{control}/{dataset}.log",
    benchmark:
        "results/benchmarks/track_control/{control}/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=control_flags,
    shell:
        "python {input.script:q} --truth {input.truth:q} --measurements {input.measurements:q}"
        " --initial {input.initial:q} {params.flags} --output {output:q} > {log:q} 2>&1"
