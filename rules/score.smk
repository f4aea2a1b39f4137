"""The scores: from all tracks that any study wants on a test set, and its truth, to one table."""


rule score_tracks:
    input:
        script=script("score"),
        modules=modules("score"),
        truth="results/data/test/{dataset}/truth.parquet",
        measurements="results/data/test/{dataset}/measurements.parquet",
        tracks=tracks_files,
    output:
        "results/scores/{dataset}.parquet",
    log:
        "results/logs/score_tracks/{dataset}.log",
    benchmark:
        "results/benchmarks/score_tracks/{dataset}.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        flags=score_flags,
    shell:
        "python {input.script:q} --truth {input.truth:q} --measurements {input.measurements:q}"
        " --tracks {input.tracks:q} {params.flags} --output {output:q} > {log:q} 2>&1"
