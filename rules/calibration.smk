"""The Bayes reference's calibration: whether links are true as often as it says, on every test set it tracks."""


rule calibrate_bayes:
    input:
        script=script("calibrate_bayes"),
        modules=modules("calibrate_bayes"),
        datasets=weighed_files,
    output:
        parquet="results/calibration.parquet",
        csv="results/calibration.csv",
    log:
        "results/logs/calibrate_bayes.log",
    benchmark:
        "results/benchmarks/calibrate_bayes.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        flags=calibration_flags,
    shell:
        "python {input.script:q} {params.flags} --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_calibration:
    input:
        script=script("draw_calibration"),
        modules=modules("draw_calibration"),
        table="results/calibration.parquet",
    output:
        png="results/calibration.png",
        pdf="results/calibration.pdf",
    log:
        "results/logs/draw_calibration.log",
    benchmark:
        "results/benchmarks/draw_calibration.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        flags=calibration_drawing_flags,
    shell:
        "python {input.script:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
