"""The figures: from scores and operation counts to pictures, each beside the table that it was drawn from."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from planning.pictures import closeness, dashes, looks, sequences, together
from planning.statements import title

TOGETHER = together(CONFIG, PLAN)
SEQUENCES = sequences(CONFIG, PLAN)
CLOSENESS = closeness(CONFIG, PLAN)
LOOKS = looks(CONFIG, PLAN)
DASHES = dashes(PLAN, LOOKS)


def scores_of_study(wildcards) -> list[str]:
    datasets = {dataset for curve in PLAN.curves[wildcards.study] for _, dataset, _ in curve.points}
    return [f"results/scores/{wildcards.study}/{dataset}.parquet" for dataset in sorted(datasets)]


def curves_file(wildcards) -> str:
    curves = PLAN.curves[wildcards.study]
    drawn = [asdict(curve) | {"method": curve.drawn_as(PLAN.methods)} for curve in curves]
    return kept(json.dumps(drawn, ensure_ascii=False), "json")


def tabulation_flags(wildcards) -> str:
    failed = CONFIG["judgement"]["failed"]
    said = {"failed_score": failed["score"], "below_median_by": failed["below_median_by"]}
    return flags({"columns": CONFIG["figures"]["panels"]} | said)


def drawing_flags(wildcards) -> str:
    study = CONFIG["studies"][wildcards.study]
    said = {"title": title(CONFIG, PLAN, wildcards.study)}
    look = style_flags(labels_of(wildcards.study))
    return flags({key: study.get(key) for key in ("x", "scale")} | said | look)


def scores_labels(wildcards) -> dict:
    return {"figure": f"{wildcards.study}: {title(CONFIG, PLAN, wildcards.study)}"}


def operations_labels(wildcards) -> dict:
    return {"figure": f"{wildcards.operations}: {CONFIG['operation_counts'][wildcards.operations]['title']}"}


def together_labels(wildcards) -> dict:
    return {
        "figure": f"{wildcards.figure}: {', '.join(TOGETHER[wildcards.figure].studies)} with the same axes"
    }


def operations_drawing_flags(wildcards) -> str:
    said = {
        "title": CONFIG["operation_counts"][wildcards.operations]["title"],
        "names": json.dumps(
            {name: PLAN.methods[name].word for name in counted_methods(wildcards.operations)}
        ),
    }
    return flags(said | style_flags())


def style_flags(labels: Iterable[str] = ()) -> dict:
    """Return the flags of the look, with the dashes of the references among these labels."""
    drawn = {name: dict(look) for name, look in LOOKS.items()}
    for name, places in DASHES.items():
        if here := {label: place for label, place in places.items() if label in labels}:
            drawn[name]["dashes"] = here
    return {"styles": json.dumps(drawn, ensure_ascii=False)} | resolution()


def labels_of(*studies: str) -> set[str]:
    return {curve.label for study in studies for curve in PLAN.curves[study]}


def tables_together(wildcards) -> list[str]:
    return [f"results/figures/{study}.parquet" for study in TOGETHER[wildcards.figure].studies]


def together_flags(wildcards) -> str:
    figure = TOGETHER[wildcards.figure]
    look = style_flags(labels_of(*figure.studies))
    return flags({"title": figure.titles, "x": figure.x, "scale": figure.scale} | look)


def sequence_tables(table: str) -> Callable:
    """Return the input of a picture of sequences: this table of each of its datasets."""

    def tables(wildcards) -> list[str]:
        datasets = SEQUENCES[wildcards.picture].datasets
        return [path for dataset in datasets for path in test_set_tables(dataset, table)]

    return tables


def sequence_tracks(wildcards) -> list[str]:
    picture = SEQUENCES[wildcards.picture]
    return [
        tracked_by(tracker, dataset)
        for _, trackers in picture.trackers.values()
        for dataset, tracker in zip(picture.datasets, trackers)
    ]


def sequence_flags(wildcards) -> str:
    """Return the flags of a picture of sequences; of a network it shows the first training."""
    picture = SEQUENCES[wildcards.picture]
    said = {
        "title": f"The experiment that is hardest for {picture.hardest_for}",
        "hardest_for": picture.hardest_for,
    }
    # A moving picture of a higher resolution is too large for a page.
    look = {"scene_title": picture.scene_titles, "animation_dots_per_inch": 100} | style_flags()
    named = [
        (label, method, *(tracks_of(each, dataset)[0] for dataset, each in zip(picture.datasets, trackers)))
        for label, (method, trackers) in picture.trackers.items()
    ]
    return flags_with_trackers(said | look, named)


def flags_with_trackers(settings: dict, named: list[tuple[str, ...]]) -> str:
    """Return settings as flags, and after them a --tracker for each that is named: its label, method and files."""
    return " ".join([flags(settings), *(flags({"tracker": list(words)}) for words in named)])


def closeness_truth(wildcards) -> list[str]:
    return test_set_tables(CLOSENESS[wildcards.picture].dataset, "truth")


def closeness_tracks(wildcards) -> list[str]:
    picture = CLOSENESS[wildcards.picture]
    return [tracked_by(tracker, picture.dataset) for _, tracker in picture.trackers.values()]


def closeness_flags(wildcards) -> str:
    picture = CLOSENESS[wildcards.picture]
    named = [
        (label, method, *tracks_of(tracker, picture.dataset))
        for label, (method, tracker) in picture.trackers.items()
    ]
    return flags_with_trackers({"edges": picture.edges}, named)


def closeness_drawing_flags(wildcards) -> str:
    scene = PLAN.test_sets[CLOSENESS[wildcards.picture].dataset]
    title = f"By how close particles are, T = {scene['frames']}, σ = {scene['measurement_noise']}"
    return flags({"title": title} | style_flags(CLOSENESS[wildcards.picture].trackers))


rule tabulate_scores:
    input:
        scores=scores_of_study,
    output:
        parquet="results/figures/{study}.parquet",
        csv="results/figures/{study}.csv",
    log:
        "results/logs/tabulate_scores/{study}.log",
    benchmark:
        "results/benchmarks/tabulate_scores/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        sources=sources("tabulate_scores.py"),
        curves=curves_file,
        flags=tabulation_flags,
    message:
        "Tabulate the scores of {wildcards.study}"
    shell:
        "python {params.sources[0]:q} --scores {input.scores:q} --curves - {params.flags}"
        " --output {output.parquet:q} --csv {output.csv:q} < {params.curves:q} > {log:q} 2>&1"


rule draw_scores:
    input:
        table="results/figures/{study}.parquet",
    output:
        png=report(
            "results/figures/{study}.png",
            caption="../report/scores.rst",
            category=lambda wildcards: category(wildcards.study),
            labels=scores_labels,
        ),
        pdf="results/figures/{study}.pdf",
    log:
        "results/logs/draw_scores/{study}.log",
    benchmark:
        "results/benchmarks/draw_scores/{study}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_scores.py"),
        flags=drawing_flags,
    message:
        "Draw the scores of {wildcards.study}"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule draw_together:
    input:
        tables=tables_together,
    output:
        png=report(
            "results/together/{figure}.png",
            caption="../report/together.rst",
            category=lambda wildcards: category(*TOGETHER[wildcards.figure].studies),
            labels=together_labels,
        ),
        pdf="results/together/{figure}.pdf",
    log:
        "results/logs/draw_together/{figure}.log",
    benchmark:
        "results/benchmarks/draw_together/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(TOGETHER),
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_scores.py"),
        flags=together_flags,
    message:
        "Draw {wildcards.figure}: several studies with the same axes"
    shell:
        "python {params.sources[0]:q} --table {input.tables:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule draw_sequence:
    input:
        truth=sequence_tables("truth"),
        measurements=sequence_tables("measurements"),
        tracks=sequence_tracks,
    output:
        png=report(
            "results/sequences/{picture}.png",
            caption="../report/tracks.rst",
            category=BEYOND,
            labels={"figure": "{picture}: one sequence as each tracker sees it"},
        ),
        pdf="results/sequences/{picture}.pdf",
        gif="results/sequences/{picture}.gif",
    log:
        "results/logs/draw_sequence/{picture}.log",
    benchmark:
        "results/benchmarks/draw_sequence/{picture}.tsv"
    wildcard_constraints:
        picture=one_of(SEQUENCES),
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        sources=sources("draw_tracks.py"),
        flags=sequence_flags,
    message:
        "Draw {wildcards.picture}: a sequence as each tracker sees it"
    shell:
        "python {params.sources[0]:q} --truth {input.truth:q} --measurements {input.measurements:q} {params.flags}"
        " --output {output.png:q} {output.pdf:q} --animation {output.gif:q} > {log:q} 2>&1"


rule tabulate_closeness:
    input:
        truth=closeness_truth,
        tracks=closeness_tracks,
    output:
        parquet="results/closeness/{picture}.parquet",
        csv="results/closeness/{picture}.csv",
    log:
        "results/logs/tabulate_closeness/{picture}.log",
    benchmark:
        "results/benchmarks/tabulate_closeness/{picture}.tsv"
    wildcard_constraints:
        picture=one_of(CLOSENESS),
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        sources=sources("tabulate_closeness.py"),
        flags=closeness_flags,
    message:
        "Tabulate for {wildcards.picture} the scores by how close particles are"
    shell:
        "python {params.sources[0]:q} --truth {input.truth:q} {params.flags} --output {output.parquet:q}"
        " --csv {output.csv:q} > {log:q} 2>&1"


rule draw_closeness:
    input:
        table="results/closeness/{picture}.parquet",
    output:
        png=report(
            "results/closeness/{picture}.png",
            caption="../report/closeness.rst",
            category=BEYOND,
            labels={"figure": "{picture}: scores by how close particles are"},
        ),
        pdf="results/closeness/{picture}.pdf",
    log:
        "results/logs/draw_closeness/{picture}.log",
    benchmark:
        "results/benchmarks/draw_closeness/{picture}.tsv"
    wildcard_constraints:
        picture=one_of(CLOSENESS),
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_closeness.py"),
        flags=closeness_drawing_flags,
    message:
        "Draw {wildcards.picture}: scores by how close particles are"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"


rule draw_operations:
    input:
        table="results/figures/{operations}.parquet",
    output:
        png=report(
            "results/figures/{operations}.png",
            caption="../report/operations.rst",
            category=COST,
            labels=operations_labels,
        ),
        pdf="results/figures/{operations}.pdf",
    log:
        "results/logs/draw_operations/{operations}.log",
    benchmark:
        "results/benchmarks/draw_operations/{operations}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_operations.py"),
        flags=operations_drawing_flags,
    message:
        "Draw the operations of {wildcards.operations}"
    shell:
        "python {params.sources[0]:q} --table {input.table:q} {params.flags} --output {output:q} > {log:q} 2>&1"
