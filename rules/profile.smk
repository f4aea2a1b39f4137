"""The operation counts: floating-point operations per sequence of each tracker, over lookbacks."""


rule profile_transformer:
    input:
        script=script("profile_transformer"),
        modules=modules("profile_transformer"),
    output:
        "results/flops/{cost}/transformer.parquet",
    log:
        "results/logs/profile_transformer/{cost}.log",
    benchmark:
        "results/benchmarks/profile_transformer/{cost}.tsv"
    conda:
        "../envs/transformer.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        flags=transformer_profile_flags,
    shell:
        "python {input.script:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule profile_mht:
    input:
        script=script("profile_mht"),
        modules=modules("profile_mht"),
        # Run under an emulator, by which the plugin counts.
        emulated=[script("track_marked"), *modules("track_marked")],
        plugin=f"{SOURCES}/counting/arithmetic.c",
    output:
        "results/flops/{cost}/mht.parquet",
    log:
        "results/logs/profile_mht/{cost}.log",
    benchmark:
        "results/benchmarks/profile_mht/{cost}.tsv"
    conda:
        "../envs/profile.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        flags=mht_profile_flags,
    shell:
        "python {input.script:q} {params.flags} --output {output:q} > {log:q} 2>&1"
