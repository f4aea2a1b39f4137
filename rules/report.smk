"""What the results were made with: the config as it was merged, and what the jobs took."""


rule write_config:
    output:
        "results/config.yaml",
    log:
        "results/logs/write_config.log",
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(100),
        runtime=growing(1),
    params:
        text=config_text,
    shell:
        "printf '%s' {params.text:q} > {output:q} 2> {log:q}"


rule summarise_run:
    input:
        script=script("summarise_run"),
        modules=modules("summarise_run"),
        figures=expand("results/figures/{figure}.{format}", figure=figures(), format=FORMATS),
        claims=claims_files(),
        calibration=calibration_files(),
    output:
        "results/run.csv",
    log:
        "results/logs/summarise_run.log",
    conda:
        "../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(100),
        runtime=growing(5),
    shell:
        "python {input.script:q} --benchmarks results/benchmarks --logs results/logs --output {output:q}"
        " > {log:q} 2>&1"
