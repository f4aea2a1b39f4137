"""The pictures of recordings: from a file of another program to tracks with margins, without a truth."""

from planning.pictures import movies
from planning.recordings import import_flags

MOVIES = movies(CONFIG, PLAN)
# By RECORDING/NAME; pictures may share a tracker's run.
MOVIE_TRACKERS = {
    f"{movie.recording}/{name}": tracker
    for movie in MOVIES.values()
    for name, tracker in movie.trackers.items()
}
WITH_MARGINS = {name for name, tracker in MOVIE_TRACKERS.items() if tracker.method.margins}
# By the name of the exported file.
EXPORTED = {
    f"{picture}_{name}": f"{movie.recording}/{name}"
    for picture, movie in MOVIES.items()
    for name in movie.trackers
}


def movie_file(wildcards) -> str:
    return CONFIG["recordings"][wildcards.recording]["path"]


def movie_import_flags(wildcards) -> str:
    return f"{flags(import_flags(CONFIG['recordings'][wildcards.recording]))} --no-truth"


def movie_tables(tracker: str) -> dict[str, str]:
    """Return the tables of the recording that RECORDING/NAME tracks."""
    directory = f"results/recordings/data/{tracker.partition('/')[0]}"
    return {name: f"{directory}/{name}.parquet" for name in ("measurements", "initial")}


def movie_tracks(tracker: str) -> dict[str, str]:
    """Return what a tracker makes of a recording: its tracks, and the margins if it knows them."""
    tables = ("tracks", "margins") if tracker in WITH_MARGINS else ("tracks",)
    return {table: f"results/recordings/{table}/{tracker}.parquet" for table in tables}


def movie_tracking_inputs(wildcards) -> dict:
    return movie_tables(wildcards.movie_tracker)


def movie_tracking_sources(wildcards) -> list[str]:
    return sources_of_method(MOVIE_TRACKERS[wildcards.movie_tracker].method)


def movie_tracking_flags(wildcards) -> str:
    tracker = MOVIE_TRACKERS[wildcards.movie_tracker]
    margin = movie_tracks(wildcards.movie_tracker).get("margins")
    return supervised_flags(tracker.method, tracker.told | {"margin": margin})


def movie_files() -> list[str]:
    drawn = [f"results/recordings/{picture}.{format}" for picture in MOVIES for format in ("png", "pdf")]
    return drawn + [f"results/recordings/{exported}.csv" for exported in EXPORTED]


def recordings_files(wildcards) -> list[str]:
    """Return the pictures of recordings, and the tracks in them."""
    if not MOVIES:
        refuse(["figures: recordings: no picture is asked for"])
    return movie_files()


def export_inputs(wildcards) -> dict:
    tracker = EXPORTED[wildcards.exported]
    return movie_tracks(tracker) | {"measurements": movie_tables(tracker)["measurements"]}


def export_flags(wildcards) -> str:
    return flags(movie_tracks(EXPORTED[wildcards.exported]) | {"format": "trackpy"})


def drawn_trackers(picture: str) -> list[str]:
    movie = MOVIES[picture]
    return [f"{movie.recording}/{name}" for name in movie.trackers]


def drawn_tables(wildcards) -> list[str]:
    return [path for tracker in drawn_trackers(wildcards.picture) for path in movie_tracks(tracker).values()]


def drawn_measurements(wildcards) -> str:
    return movie_tables(drawn_trackers(wildcards.picture)[0])["measurements"]


def movie_drawing_flags(wildcards) -> str:
    movie = MOVIES[wildcards.picture]
    named = [
        (MOVIE_TRACKERS[each].label, MOVIE_TRACKERS[each].method.name, *movie_tracks(each).values())
        for each in drawn_trackers(wildcards.picture)
    ]
    said = {"title": f"{movie.recording}, {movie.frames} frames"}
    return flags_with_trackers(said | style_flags(), named)


wildcard_constraints:
    recording=r"\w+",
    movie_tracker=one_of(MOVIE_TRACKERS),
    exported=one_of(EXPORTED),


rule import_movie:
    input:
        recording=movie_file,
    output:
        measurements="results/recordings/data/{recording}/measurements.parquet",
        initial="results/recordings/data/{recording}/initial.parquet",
    log:
        "results/logs/import_movie/{recording}.log",
    benchmark:
        "results/benchmarks/import_movie/{recording}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("import_detections.py"),
        flags=movie_import_flags,
        directory=subpath(output.measurements, parent=True),
    message:
        "Import the recording {wildcards.recording}"
    shell:
        "python {params.sources[0]:q} --input {input.recording:q} {params.flags} --output {params.directory:q}"
        " > {log:q} 2>&1"


rule track_movie:
    input:
        unpack(movie_tracking_inputs),
    output:
        "results/recordings/tracks/{movie_tracker}.parquet",
    log:
        "results/logs/track_movie/{movie_tracker}.log",
    benchmark:
        "results/benchmarks/track_movie/{movie_tracker}.tsv"
    wildcard_constraints:
        movie_tracker=one_of(MOVIE_TRACKERS.keys() - WITH_MARGINS),
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        sources=movie_tracking_sources,
        flags=movie_tracking_flags,
    message:
        "Track the recording by {wildcards.movie_tracker}"
    shell:
        "python {params.sources[0]:q} --measurements {input.measurements:q} --initial {input.initial:q}"
        " --output {output:q} {params.flags} > {log:q} 2>&1"


rule track_movie_with_margins:
    input:
        unpack(movie_tracking_inputs),
    output:
        tracks="results/recordings/tracks/{movie_tracker}.parquet",
        margins="results/recordings/margins/{movie_tracker}.parquet",
    log:
        "results/logs/track_movie_with_margins/{movie_tracker}.log",
    benchmark:
        "results/benchmarks/track_movie_with_margins/{movie_tracker}.tsv"
    wildcard_constraints:
        movie_tracker=one_of(WITH_MARGINS),
    conda:
        "../envs/mht.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        sources=movie_tracking_sources,
        flags=movie_tracking_flags,
    message:
        "Track the recording by {wildcards.movie_tracker}, with the margin of each link"
    shell:
        "python {params.sources[0]:q} --measurements {input.measurements:q} --initial {input.initial:q}"
        " --output {output.tracks:q} {params.flags} > {log:q} 2>&1"


rule export_movie:
    input:
        unpack(export_inputs),
    output:
        "results/recordings/{exported}.csv",
    log:
        "results/logs/export_movie/{exported}.log",
    benchmark:
        "results/benchmarks/export_movie/{exported}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("export_tracks.py"),
        flags=export_flags,
    message:
        "Export the tracks {wildcards.exported}"
    shell:
        "python {params.sources[0]:q} --measurements {input.measurements:q} {params.flags} --output {output:q}"
        " > {log:q} 2>&1"


rule draw_movie:
    input:
        measurements=drawn_measurements,
        tables=drawn_tables,
    output:
        png=report(
            "results/recordings/{picture}.png",
            caption="../report/movies.rst",
            category=BEYOND,
            labels={"figure": "{picture}: a recording as each tracker sees it"},
        ),
        pdf="results/recordings/{picture}.pdf",
    log:
        "results/logs/draw_movie/{picture}.log",
    benchmark:
        "results/benchmarks/draw_movie/{picture}.tsv"
    wildcard_constraints:
        picture=one_of(MOVIES),
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("draw_margins.py"),
        flags=movie_drawing_flags,
    message:
        "Draw {wildcards.picture}: a recording as its trackers see it"
    shell:
        "python {params.sources[0]:q} --measurements {input.measurements:q} {params.flags} --output {output:q}"
        " > {log:q} 2>&1"
