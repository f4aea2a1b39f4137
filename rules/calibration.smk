"""Calibration: whether links are true as often as a method says, on every test set where one gives probabilities."""


def calibration_files() -> list[str]:
    return [f"results/calibration.{format}" for format in FORMATS] if PLAN.calibrated() else []


def calibration_sources(wildcards) -> list[str]:
    (script,) = {PLAN.methods[method].calibration for method, _ in PLAN.calibrated().values()}
    return made_of(script)


def calibrated_tables(wildcards) -> list[str]:
    names = ("truth", "initial", "measurements")
    return [path for dataset in PLAN.calibrated() for path in test_set_tables(dataset, *names)]


def calibration_flags(wildcards) -> str:
    told = PLAN.calibrated()
    directories = [f"results/data/test/{dataset}" for dataset in told]
    return flags({"datasets": directories, "models": json.dumps([settings for _, settings in told.values()])})


def calibration_drawing_flags(wildcards) -> str:
    look = {"palette": PLAN.methods["mht"].style["palette"]}
    return flags(look | resolution())


rule calibrate:
    input:
        datasets=calibrated_tables,
    output:
        parquet="results/calibration.parquet",
        csv="results/calibration.csv",
    log:
        "results/logs/calibrate.log",
    benchmark:
        "results/benchmarks/calibrate.tsv"
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        sources=calibration_sources,
        flags=calibration_flags,
    message:
        "Check how often links of a given probability are true"
    shell:
        "python {params.sources[0]:q} {params.flags} --output {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule draw_calibration:
    input:
        table="results/calibration.parquet",
    output:
        png=report(
            "results/calibration.png",
            caption="../report/calibration.rst",
            category=BEYOND,
            labels={"figure": "calibration: are links of a given probability true as often?"},
        ),
        pdf="results/calibration.pdf",
    log:
        "results/logs/draw_calibration.log",
    benchmark:
        "results/benchmarks/draw_calibration.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_calibration.py"),
        flags=calibration_drawing_flags,
    message:
        "Draw how often links of a given probability are true"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
