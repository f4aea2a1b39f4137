"""The study of readings: the claims under choices that the paper leaves open. `all` needs none of it.

A job judges all choices of a scene, and where they are crossed of a training, from simulation to verdict: a rule per
step would be thousands of jobs, most of them shorter than what it takes to start one.
"""

from planning import choices


def choices_files(wildcards) -> list[str]:
    return [
        f"results/readings/{part}/{scene}.parquet"
        for part in choices.PARTS
        for scene in choices.scenes(CONFIG, part)
    ]


def readings_files(wildcards) -> list[str]:
    """Return what the study makes: the map of verdicts if there is a claim, and the answer if axes are crossed."""
    found = [f"results/readings/verdicts.{format}" for format in FORMATS] if choices_files(wildcards) else []
    if choices.scenes(CONFIG, choices.CROSSED):
        found += [f"results/readings.{format}" for format in (*FORMATS, "md")]
    return found


def choices_sources(wildcards) -> list[str]:
    """Return the script that judges choices, and a digest of it with the scripts that it calls."""
    methods = PLAN.methods.values()
    scripts = [path for method in methods for path in (method.script, method.training_script) if path]
    return made_of(SOURCES / "judge_choices.py", *dict.fromkeys(scripts))


def work_file(wildcards) -> str:
    work = choices.work(CONFIG, wildcards.part, wildcards.scene)
    return kept(json.dumps(work, ensure_ascii=False, separators=(",", ":")), "json")


def choices_drawing_flags(wildcards) -> str:
    picture = {
        "columns": choices.columns(CONFIG),
        "own": choices.own_choice(CONFIG),
        "statements": {name: claim["statement"] for name, claim in LEDGER["claims"].items()},
    }
    scores = {"scores": CONFIG["judgement"]["scores"]}
    return flags({"picture": kept(json.dumps(picture, ensure_ascii=False), "json")} | scores | resolution())


def asked_file(wildcards) -> str:
    return kept(json.dumps(choices.asked(CONFIG, LEDGER), ensure_ascii=False), "json")


def readings_drawing_flags(wildcards) -> str:
    return flags({"asked": asked_file(wildcards)} | resolution())


rule judge_choices:
    output:
        "results/readings/{part}/{scene}.parquet",
    log:
        "results/logs/judge_choices/{part}/{scene}.log",
    benchmark:
        "results/benchmarks/judge_choices/{part}/{scene}.tsv"
    conda:
        "../envs/readings.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        sources=choices_sources,
        work=work_file,
    message:
        "Judge the claims under each choice of {wildcards.part} in the scene {wildcards.scene}"
    shell:
        "python {params.sources[0]:q} --part {wildcards.part:q} --work {params.work:q} --output {output:q} > {log:q} 2>&1"


rule tabulate_choices:
    input:
        choices=choices_files,
    output:
        parquet="results/readings/verdicts.parquet",
        csv="results/readings/verdicts.csv",
    log:
        "results/logs/tabulate_choices.log",
    benchmark:
        "results/benchmarks/tabulate_choices.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("tabulate_choices.py"),
    message:
        "Tabulate the verdicts under every choice"
    shell:
        "python {params.sources[0]:q} --choices {input.choices:q} --output {output.parquet:q} --csv {output.csv:q}"
        " > {log:q} 2>&1"


rule draw_choices:
    input:
        table="results/readings/verdicts.parquet",
    output:
        png=report(
            "results/readings/verdicts.png",
            caption="../report/choices.rst",
            category=READINGS,
            labels={"figure": "each choice by itself"},
        ),
        pdf="results/readings/verdicts.pdf",
    log:
        "results/logs/draw_choices.log",
    benchmark:
        "results/benchmarks/draw_choices.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_choices.py"),
        flags=choices_drawing_flags,
    message:
        "Draw the verdicts under every choice"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule summarise_readings:
    input:
        verdicts="results/readings/verdicts.parquet",
    output:
        parquet="results/readings.parquet",
        csv="results/readings.csv",
        markdown="results/readings.md",
    log:
        "results/logs/summarise_readings.log",
    benchmark:
        "results/benchmarks/summarise_readings.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("summarise_readings.py"),
        asked=asked_file,
    message:
        "Tell the readings by how many claims they confirm"
    shell:
        "python {params.sources[0]:q} --verdicts {input.verdicts:q} --asked {params.asked:q} --output {output.parquet:q}"
        " --csv {output.csv:q} --markdown {output.markdown:q} > {log:q} 2>&1"


rule draw_readings:
    input:
        verdicts="results/readings/verdicts.parquet",
    output:
        png=report(
            "results/readings.png",
            caption="../report/readings.rst",
            category=READINGS,
            labels={"figure": "combinations of choices, the best first"},
        ),
        pdf="results/readings.pdf",
    log:
        "results/logs/draw_readings.log",
    benchmark:
        "results/benchmarks/draw_readings.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_readings.py"),
        flags=readings_drawing_flags,
    message:
        "Draw how many claims each reading confirms"
    shell:
        "python {params.sources[0]:q} --verdicts {input.verdicts:q} {params.flags} --output {output:q} > {log:q} 2>&1"
