"""Detections of other programs come in as datasets, and tracks go out as their files."""

import hashlib
import json
import sys
import xml.etree.ElementTree as ET
from unittest import mock

import laptrack
import numpy as np
import pandas as pd
import pytest
import pytrackmate
import trackpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import estimate_noise
import export_tracks
import import_detections
import score
import track_mht
from mpt.motion import simulate
from mpt.recordings.formats import FORMATS
from mpt.recordings.links import in_pixels
from mpt.recordings.movie import Movie, cut
from mpt.tables.dataset import dataset_parameters, read_scenes, read_truth
from mpt.tables.files import TableReader
from mpt.tables.tracks import MARGINS, TrackWriter

MOVIE = {"experiments": np.arange(1), "frames": 12, "particles": 3, "drift_spread": 0.1, "seed": 5}


@pytest.fixture
def movie():
    """Return a movie of three particles far apart, in random order: frame, x, y, particle."""
    simulation = simulate(**MOVIE, process_noise=1.0, measurement_noise=0.5, initial_spread=100.0)
    z = np.take_along_axis(simulation.measurements, simulation.detection[..., None], axis=2)[0]
    rows = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(12) + 40, 3),
            "x": z[..., 0].ravel(),
            "y": z[..., 1].ravel(),
            "particle": np.tile([7, 2, 11], 12),
        }
    )
    return rows.sample(frac=1, random_state=3, ignore_index=True)


def points(path) -> set:
    """Return the (frame, x, y) of each track, as a set of frozen sets."""
    found = FORMATS[path.stem].read(path, {}, True)
    rows = zip(found.particle.tolist(), found.frame.tolist(), found.position.tolist(), strict=True)
    tracks = {}
    for particle, frame, (x, y) in rows:
        tracks.setdefault(particle, set()).add((frame, x, y))
    return {frozenset(track) for track in tracks.values()}


def tracks_of(movie: pd.DataFrame) -> set:
    return {
        frozenset(zip(track.frame.tolist(), track.x.tolist(), track.y.tolist(), strict=True))
        for _, track in movie.groupby("particle")
    }


def tracked(directory, tmp_path):
    """Track a dataset with the MHT; return the paths of its measurements, tracks and margins."""
    call(
        track_mht,
        *("--measurements", directory / "measurements.parquet", "--initial", directory / "initial.parquet"),
        *(
            "--lookback",
            2,
            "--solver",
            "enumerate",
            "--estimate",
            "filtered",
            "--process-noise",
            1,
            "--measurement-noise",
            0.5,
            "--velocity-spread",
            0.1,
        ),
        *("--margin", tmp_path / "margins.parquet", "--output", tmp_path / "tracks.parquet"),
    )
    return directory / "measurements.parquet", tmp_path / "tracks.parquet", tmp_path / "margins.parquet"


def call(module, *arguments):
    with mock.patch.object(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)]):
        module.main()


# Datasets


def test_a_movie_becomes_a_dataset_whatever_the_order_of_its_rows_and_the_start_of_its_frames(
    movie, tmp_path
):
    movie.to_csv(tmp_path / "movie.csv", index=False)
    movie.sort_values("y").to_csv(tmp_path / "sorted.csv", index=False)
    for name in ("movie", "sorted"):
        import_detections.import_detections(
            tmp_path / f"{name}.csv", "trackpy", tmp_path / name, pixel_size=0.5
        )
    for table in ("truth", "initial", "measurements"):
        one, other = (pd.read_parquet(tmp_path / name / f"{table}.parquet") for name in ("movie", "sorted"))
        pd.testing.assert_frame_equal(one, other)
    assert dataset_parameters(tmp_path / "movie/measurements.parquet") == {
        "experiments": 1,
        "frames": 12,
        "particles": 3,
        "start": "measured",
        "first_frames": [40],
        "pixel_size": 0.5,
        "source": {
            "name": "movie.csv",
            "format": "trackpy",
            "sha256": hashlib.sha256((tmp_path / "movie.csv").read_bytes()).hexdigest(),
        },
    }
    (truth,) = read_truth(tmp_path / "movie/truth.parquet")
    (scenes,) = read_scenes(tmp_path / "movie/measurements.parquet", tmp_path / "movie/initial.parquet")
    own = movie.sort_values(["frame", "particle"])[["x", "y"]].to_numpy().reshape(12, 3, 2) * 0.5
    np.testing.assert_array_equal(truth.positions[0], own)
    np.testing.assert_array_equal(scenes.initial[0], own[0])
    detected = np.take_along_axis(scenes.measurements[0], truth.detection[0][..., None].astype(int), axis=1)
    np.testing.assert_array_equal(detected, own)


def test_without_truth_there_is_none_and_an_older_one_goes(movie, tmp_path):
    movie.to_csv(tmp_path / "movie.csv", index=False)
    call(
        import_detections,
        *("--input", tmp_path / "movie.csv", "--format", "trackpy", "--output", tmp_path / "data"),
    )
    assert (tmp_path / "data/truth.parquet").exists()
    call(
        import_detections,
        *("--input", tmp_path / "movie.csv", "--format", "trackpy", "--no-truth"),
        *("--output", tmp_path / "data"),
    )
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "initial.parquet",
        "measurements.parquet",
    ]
    (scenes,) = read_scenes(tmp_path / "data/measurements.parquet", tmp_path / "data/initial.parquet")
    np.testing.assert_array_equal(scenes.initial[0], scenes.measurements[0, 0])


def test_scores_refuse_a_recording_without_truth_and_one_without_noises(movie, tmp_path, refusal_here):
    movie.to_csv(tmp_path / "movie.csv", index=False)
    measurements, tracks, _ = tracked(imported(tmp_path, truth=False), tmp_path)
    arguments = ("--truth", measurements.with_name("truth.parquet"), "--tracks", tracks)
    line = refusal_here(score, *arguments, output=tmp_path / "scores.parquet")
    assert line.endswith("truth.parquet: no such file: a recording without truth cannot be scored")
    tracked(imported(tmp_path), tmp_path)
    line = refusal_here(score, *arguments, output=tmp_path / "scores.parquet")
    assert "does not say its process_noise: import the recording with --process-noise" in line
    tracked(imported(tmp_path, noise={"process_noise": 1.0, "measurement_noise": 0.5}), tmp_path)
    call(score, *arguments, "--output", tmp_path / "scores.parquet")
    # The particles are a hundred steps apart.
    assert pd.read_parquet(tmp_path / "scores.parquet").association_jaccard.tolist() == [1.0]


def imported(tmp_path, **options):
    import_detections.import_detections(tmp_path / "movie.csv", "trackpy", tmp_path / "data", **options)
    return tmp_path / "data"


# Frames that cannot be tracked


@pytest.mark.parametrize(("flags", "frames"), [(["--split"], 4), (["--split", "3"], 3)])
def test_the_command_splits_at_the_longest_run_or_as_told(run_script, tmp_path, flags, frames):
    # Frames 0 to 3 and 5 to 7 are complete.
    movie = tmp_path / "movie.csv"
    lines = [f"{t},{5 * p},{t}" for t in (0, 1, 2, 3, 5, 6, 7) for p in range(2)]
    movie.write_text("\n".join(["frame,x,y", *lines]))
    told = ["--input", movie, "--format", "trackpy", *flags, "--output", tmp_path / "data"]
    result = run_script("import_detections.py", *told)
    assert result.returncode == 0, result.stderr
    assert f"each of {frames} frames" in result.stdout


def counts_movie(counts: dict[int, int]) -> Movie:
    """Return a movie with that many detections in each frame."""
    frame = np.repeat(list(counts), list(counts.values()))
    return Movie(frame, np.stack([np.arange(len(frame)), frame], axis=1).astype(float), None)


def test_frames_that_cannot_be_tracked_are_named_and_counted():
    movie = counts_movie({3: 2, 4: 2, 5: 3, 6: 1, 8: 2, 11: 2})
    with pytest.raises(ValueError, match=r"^m\.csv: 5 of 9 frames don't have 2 detections: ") as error:
        cut(movie, "m.csv")
    assert (
        ": frame 5 has 3, frame 6 has 1, frame 7 has none, frames 9 to 10 have none; --split"
        in error.value.args[0]
    )
    many = counts_movie({t: 2 - t % 2 for t in range(100)} | {100: 2})
    with pytest.raises(ValueError, match=r"50 of 101 frames .* frame 9 has 1, and 45 more; --split"):
        cut(many, "m.csv")


@pytest.mark.parametrize(
    ("split", "length", "first_frames"),
    [(0, 5, [10]), (2, 2, [0, 2, 10, 12]), (3, 3, [0, 10]), (4, 4, [0, 10]), (5, 5, [10])],
)
def test_runs_of_complete_frames_become_experiments_of_one_length(split, length, first_frames):
    # Frames 0 to 3 and 10 to 14 are complete: runs of 4 and 5.
    movie = counts_movie({**dict.fromkeys(range(4), 2), 4: 1, **dict.fromkeys(range(10, 15), 2)})
    recording = cut(movie, "m", split=split)
    assert recording.first_frame.tolist() == first_frames
    # The y of each detection is its frame.
    frames = np.array(first_frames)[:, None] + np.arange(length)
    np.testing.assert_array_equal(recording.measurements[..., 1], frames[..., None].repeat(2, axis=2))
    assert (recording.frames, recording.incomplete) == (15, 6)
    assert recording.left_out == 15 - len(first_frames) * length
    with pytest.raises(
        ValueError, match=r"no run of complete frames is as long as the 6 of --split: .* 5 of 2"
    ):
        cut(movie, "m", split=6)


def test_a_run_ends_where_the_particles_change(movie):
    changed = np.where((movie.particle == 7) & (movie.frame > 45), 8, movie.particle)
    one = Movie(movie.frame.to_numpy(), movie[["x", "y"]].to_numpy(), changed)
    with pytest.raises(ValueError, match=r"1 of 12 frames .*frame 46 has lost particle 7; .*--no-truth"):
        cut(one, "m")
    recording = cut(one, "m", split=6)
    assert recording.first_frame.tolist() == [40, 46]
    assert cut(Movie(one.frame, one.position, None), "m").first_frame.tolist() == [40]


def test_a_particle_twice_or_none_in_a_frame_is_named(movie):
    position = movie[["x", "y"]].to_numpy()
    twice = np.where((movie.particle == 7) & (movie.frame == 45), 2, movie.particle)
    with pytest.raises(ValueError, match=r"1 of 12 frames .*frame 45 has particle 2 twice"):
        cut(Movie(movie.frame.to_numpy(), position, twice), "m")
    none = np.where((movie.particle == 7) & (movie.frame == 45), -1, movie.particle)
    with pytest.raises(ValueError, match=r"1 of 12 frames .*frame 45 has a detection of no particle"):
        cut(Movie(movie.frame.to_numpy(), position, none), "m")


# Round trips


def exported(movie, tmp_path, format, suffix, **options):
    """Import a movie without its truth, track it, and export the tracks with their margins."""
    movie.to_csv(tmp_path / "movie.csv", index=False)
    measurements, tracks, margins = tracked(imported(tmp_path, truth=False, pixel_size=0.5), tmp_path)
    path = tmp_path / f"{format}{suffix}"
    export_tracks.export_tracks(tracks, measurements, format, path, margins=margins, **options)
    return path, margins


FILES = [
    ("trackpy", ".csv"),
    ("trackpy", ".parquet"),
    ("trackmate", ".xml"),
    ("isbi", ".xml"),
    ("napari", ".csv"),
]


@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_tracks_go_out_on_the_detections_and_frames_that_came_in(movie, tmp_path, format, suffix):
    path, _ = exported(movie, tmp_path, format, suffix)
    # The particles are a hundred steps apart: each track is a particle. Halves are exact.
    assert points(path) == tracks_of(movie)


@pytest.mark.parametrize("pixel_size", [0.1, 0.16, 3, 1e-7])
def test_positions_come_back_digit_by_digit_so_that_other_columns_can_be_joined(movie, tmp_path, pixel_size):
    # 21.996 / 10, for one, is another number than 21.996 * 0.1 / 0.1 / 10.
    whole, movie = movie, movie.round(3).assign(intensity=np.arange(len(movie)))
    movie.to_csv(tmp_path / "movie.csv", index=False)
    directory = imported(tmp_path, truth=False, pixel_size=pixel_size)
    measurements, tracks, _ = tracked(directory, tmp_path)
    export_tracks.export_tracks(tracks, measurements, "trackpy", tmp_path / "tracks.csv")
    back = pd.read_csv(tmp_path / "tracks.csv", dtype={"x": str, "y": str})
    assert back.x.str.len().max() <= len("-100.123")
    joined = pd.read_csv(tmp_path / "tracks.csv").merge(movie, on=["frame", "x", "y"])
    assert sorted(joined.intensity) == list(range(len(movie)))
    # As docs/recordings.md says, of positions that have more digits.
    whole = whole.assign(intensity=np.arange(len(movie)))
    whole.to_csv(tmp_path / "movie.csv", index=False)
    measurements, tracks, _ = tracked(imported(tmp_path, truth=False, pixel_size=pixel_size), tmp_path)
    export_tracks.export_tracks(tracks, measurements, "trackpy", tmp_path / "tracks.csv")
    back = pd.read_csv(tmp_path / "tracks.csv")
    assert len(back.round(9).merge(whole.round(9), on=["frame", "x", "y"])) == len(whole)


@given(arrays(np.float64, 20, elements=st.floats(1e-9, 1e6)), st.floats(1e-3, 1e3))
def test_exported_positions_are_the_lengths_again_and_the_shortest_such_numbers(position, pixel_size):
    lengths = position * pixel_size
    found = in_pixels(lengths, pixel_size)
    np.testing.assert_allclose(found, position, rtol=1e-15, atol=0)
    short = np.array([float(f"{value:.12g}") for value in position])
    np.testing.assert_array_equal(in_pixels(short * pixel_size, pixel_size), short)


@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_each_link_has_its_margin(movie, tmp_path, format, suffix):
    path, margins = exported(movie, tmp_path, format, suffix)
    with TableReader(margins, MARGINS) as reader:
        expected = sorted(reader.read()["margin"].tolist())
    if suffix == ".xml":
        name = {"trackmate": "MARGIN", "isbi": "margin"}[format]
        found = [element.get(name) for element in ET.parse(path).iter() if element.get(name)]
    else:
        table = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
        first = table.rename(columns={"t": "frame"}).frame == 40
        assert table.margin.isna().equals(first)
        found = table.margin.dropna()
    assert sorted(map(float, found)) == expected


def test_tracks_own_positions_go_out_when_asked_for(movie, tmp_path):
    path, _ = exported(movie, tmp_path, "trackpy", ".csv", positions="tracks")
    rows = pd.read_parquet(tmp_path / "tracks.parquet").sort_values(["track", "frame"])
    np.testing.assert_array_equal(pd.read_csv(path)[["x", "y"]], rows[["x", "y"]] / 0.5)


def test_experiments_of_one_movie_are_tracks_of_their_own(movie, tmp_path):
    movie = movie[movie.frame != 46]
    movie.to_csv(tmp_path / "movie.csv", index=False)
    measurements, tracks, _ = tracked(imported(tmp_path, truth=False, split=5), tmp_path)
    export_tracks.export_tracks(tracks, measurements, "trackpy", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert (
        out.groupby("particle").frame.agg(["min", "max"]).to_numpy().tolist()
        == [[40, 44]] * 3 + [[47, 51]] * 3
    )


def test_tracks_without_detections_or_of_several_simulations_are_refused(dataset, tmp_path, refusal_here):
    directory = dataset(experiments=2)
    measurements = directory / "measurements.parquet"
    parameters = {"tracker": "none", "dataset": dataset_parameters(measurements)}
    with TrackWriter(tmp_path / "tracks.parquet", parameters) as writer:
        for scenes in read_scenes(measurements, directory / "initial.parquet"):
            writer.write(scenes.experiments, scenes.measurements, None)
    arguments = ("--measurements", measurements, "--tracks", tmp_path / "tracks.parquet", "--format", "isbi")
    line = refusal_here(export_tracks, *arguments, output=tmp_path / "out.xml")
    assert "its 2 experiments have the same frames: choose one with --experiment" in line
    line = refusal_here(export_tracks, *arguments, "--experiment", 1, output=tmp_path / "out.xml")
    assert "experiment 0, frame 1: track 0 has no detection: --positions tracks" in line
    arguments += ("--positions", "tracks")
    line = refusal_here(export_tracks, *arguments, "--experiment", 2, output=tmp_path / "out.xml")
    assert line.endswith("tracks.parquet: has no experiment 2")
    call(export_tracks, *arguments, "--experiment", 1, "--output", tmp_path / "isbi.xml")
    (scenes,) = read_scenes(measurements, directory / "initial.parquet")
    assert points(tmp_path / "isbi.xml") == {
        frozenset((t, *scenes.measurements[1, t, n].tolist()) for t in range(6)) for n in range(2)
    }


def test_margins_of_another_run_are_refused(movie, tmp_path, refusal_here):
    exported(movie, tmp_path, "trackpy", ".csv")
    measurements, tracks = tmp_path / "data/measurements.parquet", tmp_path / "tracks.parquet"
    (tmp_path / "other").mkdir()
    call(
        track_mht,
        *("--measurements", measurements, "--initial", measurements.with_name("initial.parquet")),
        *("--lookback", 1, "--solver", "enumerate", "--estimate", "filtered"),
        *("--process-noise", 1, "--measurement-noise", 0.5, "--velocity-spread", 0.1),
        *("--margin", tmp_path / "other/margins.parquet", "--output", tmp_path / "other/tracks.parquet"),
    )
    arguments = ("--measurements", measurements, "--tracks", tracks, "--format", "trackpy")
    line = refusal_here(
        export_tracks,
        *arguments,
        "--margins",
        tmp_path / "other/margins.parquet",
        output=tmp_path / "out.csv",
    )
    assert "not of the tracks in" in line


# Files written and read by the libraries themselves


def test_what_trackpy_links_comes_in_as_truth_and_goes_out_as_trackpy_has_it(movie, tmp_path):
    trackpy.quiet()
    linked = trackpy.link(movie[["frame", "x", "y"]], search_range=10)
    linked.to_csv(tmp_path / "movie.csv", index=False)
    linked.to_parquet(tmp_path / "movie.parquet")
    for name in ("movie.csv", "movie.parquet"):
        import_detections.import_detections(tmp_path / name, "trackpy", tmp_path / "data")
        (truth,) = read_truth(tmp_path / "data/truth.parquet")
        found = {frozenset((t + 40, *truth.positions[0, t, n].tolist()) for t in range(12)) for n in range(3)}
        assert found == tracks_of(linked) == tracks_of(movie)
    path, _ = exported(movie, tmp_path, "trackpy", ".csv")
    # trackpy's own functions take the exported table, whose displacements are the movie's.
    displacement = trackpy.motion.msd(pd.read_csv(path).query("particle == 0"), mpp=1, fps=1, max_lagtime=1)
    steps = [
        np.mean(np.sum(np.diff(track.sort_values("frame")[["x", "y"]], axis=0) ** 2, axis=1))
        for _, track in movie.groupby("particle")
    ]
    assert min(abs(displacement.msd.iloc[0] - step) for step in steps) < 1e-9


def test_what_laptrack_links_comes_in_by_the_names_of_its_columns(movie, tmp_path):
    tracker = laptrack.LapTrack(cutoff=100.0, splitting_cutoff=False, merging_cutoff=False)
    linked, _, _ = tracker.predict_dataframe(
        movie[["frame", "x", "y"]].copy(), ["x", "y"], only_coordinate_cols=False
    )
    # Its frames are in the index.
    linked.to_csv(tmp_path / "linked.csv")
    linked.to_parquet(tmp_path / "linked.parquet")
    for name in ("linked.csv", "linked.parquet"):
        import_detections.import_detections(
            tmp_path / name, "trackpy", tmp_path / "data", columns={"particle": "track_id"}
        )
        (truth,) = read_truth(tmp_path / "data/truth.parquet")
        found = {frozenset((t + 40, *truth.positions[0, t, n].tolist()) for t in range(12)) for n in range(3)}
        assert found == tracks_of(movie)


def test_another_reader_of_trackmate_finds_the_tracks(movie, tmp_path):
    path, _ = exported(movie, tmp_path, "trackmate", ".xml")
    spots = pytrackmate.trackmate_peak_import(path, get_tracks=True)
    spots = spots.rename(columns={"t_stamp": "frame", "label": "particle"})
    assert tracks_of(spots) == tracks_of(movie)


# TrackMate's files by its published structure

TRACKMATE_CSV = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,VISIBILITY
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Visibility
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Visibility
,,,(quality),(µm),(µm),(µm),(sec),,
ID10,10,0,5.1,1.5,2.5,0,0,0,1
ID11,11,{b},5.2,8.5,9.5,0,0,0,1
ID12,12,{b},5.3,8.25,9.25,0,1,1,1
ID13,13,0,5.4,1.25,2.25,0,1,1,1
"""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_extra_header_rows_of_trackmate_are_left_out(tmp_path, encoding):
    (tmp_path / "spots.csv").write_text(TRACKMATE_CSV.format(b="1"), encoding=encoding)
    detections = FORMATS["trackmate"].read(tmp_path / "spots.csv", {}, None)
    assert detections.frame.tolist() == [0, 0, 1, 1]
    assert detections.position.tolist() == [[1.5, 2.5], [8.5, 9.5], [8.25, 9.25], [1.25, 2.25]]
    # Its tracks are estimates, unless the user says otherwise.
    assert detections.particle is None
    assert FORMATS["trackmate"].read(tmp_path / "spots.csv", {}, True).particle.tolist() == [0, 1, 1, 0]
    (tmp_path / "spots.csv").write_text(TRACKMATE_CSV.format(b="None"), encoding=encoding)
    assert FORMATS["trackmate"].read(tmp_path / "spots.csv", {}, True).particle.tolist() == [0, -1, -1, 0]


TRACKMATE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<TrackMate version="7.11.1">
  <Log>Spots: 5</Log>
  <Model spatialunits="pixel" timeunits="sec">
    <AllSpots nspots="5">
      <SpotsInFrame frame="0">
        <Spot ID="10" name="ID10" FRAME="0" POSITION_X="1.5" POSITION_Y="2.5" POSITION_Z="0" VISIBILITY="1" />
        <Spot ID="11" name="ID11" FRAME="0" POSITION_X="8.5" POSITION_Y="9.5" POSITION_Z="0" VISIBILITY="1" />
        <Spot ID="14" name="ID14" FRAME="0" POSITION_X="3.0" POSITION_Y="3.0" POSITION_Z="0" VISIBILITY="0" />
      </SpotsInFrame>
      <SpotsInFrame frame="1">
        <Spot ID="12" name="ID12" FRAME="1" POSITION_X="8.25" POSITION_Y="9.25" POSITION_Z="0" />
        <Spot ID="13" name="ID13" FRAME="1" POSITION_X="1.25" POSITION_Y="2.25" POSITION_Z="0" />
      </SpotsInFrame>
    </AllSpots>
    <AllTracks>
      <Track name="Track_0" TRACK_ID="0"><Edge SPOT_SOURCE_ID="10" SPOT_TARGET_ID="13" /></Track>
      <Track name="Track_1" TRACK_ID="1"><Edge SPOT_SOURCE_ID="11" SPOT_TARGET_ID="12" /></Track>
    </AllTracks>
    <FilteredTracks><TrackID TRACK_ID="0" /></FilteredTracks>
  </Model>
</TrackMate>
"""


def test_hidden_spots_and_filtered_tracks_of_trackmate_are_left_out(tmp_path):
    (tmp_path / "movie.xml").write_text(TRACKMATE_XML)
    detections = FORMATS["trackmate"].read(tmp_path / "movie.xml", {}, True)
    assert detections.frame.tolist() == [0, 0, 1, 1]
    assert detections.position.tolist() == [[1.5, 2.5], [8.5, 9.5], [8.25, 9.25], [1.25, 2.25]]
    assert detections.particle.tolist() == [0, -1, -1, 0]


def test_trackmate_is_given_each_element_its_reader_asks_for(movie, tmp_path):
    # By TmXmlReader of TrackMate 7: what it looks up without a check for null, or calls an error if missing.
    path, _ = exported(movie, tmp_path, "trackmate", ".xml")
    root = ET.parse(path).getroot()
    assert root.tag == "TrackMate"
    assert root.get("version")
    for needed in (
        "Model/FeatureDeclarations/SpotFeatures/Feature",
        "Model/FeatureDeclarations/EdgeFeatures/Feature",
        "Model/FeatureDeclarations/TrackFeatures/Feature",
        "Model/AllSpots/SpotsInFrame/Spot",
        "Model/AllTracks/Track/Edge",
        "Model/FilteredTracks/TrackID",
        "Settings/ImageData",
        "Settings/BasicSettings",
        "Settings/DetectorSettings[@DETECTOR_NAME]",
        "Settings/TrackerSettings[@TRACKER_NAME]",
        "Settings/InitialSpotFilter",
        "Settings/SpotFilterCollection",
        "Settings/TrackFilterCollection",
        "Settings/AnalyzerCollection/SpotAnalyzers",
        "Settings/AnalyzerCollection/EdgeAnalyzers",
        "Settings/AnalyzerCollection/TrackAnalyzers",
        "GUIState[@state]",
    ):
        assert root.find(needed) is not None, needed
    for feature in root.iter("Feature"):
        assert set(feature.attrib) == {"feature", "name", "shortname", "dimension", "isint"}
    identities = [spot.get("ID") for spot in root.iter("Spot")]
    assert len(set(identities)) == len(identities) == int(root.find("Model/AllSpots").get("nspots"))
    assert {
        edge.get(end) for edge in root.iter("Edge") for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")
    } == set(identities)


# Bad files

BAD = {
    "trackpy": [
        ("x,y\n1,2\n", "no column 'frame'; it has x, y"),
        ("", "is empty"),
        ("frame,x,y\n", "has no rows"),
        ("frame,x,y\n0,1,2\n0,one,2\n", "line 3: column 'x' is one, not a finite number"),
        ("frame,x,y\n0,1,2\n\n0.5,1,2\n", "line 4: column 'frame' is 0.5, not an integer"),
        ("frame,x,y\n0,1,inf\n", "line 2: column 'y' is inf, not a finite number"),
        ("frame,x,y\n0,1,2\n1,1\n", "line 3: column 'y' is empty"),
        ("frame,x,y\n0,1,2\n1,1,2,3\n", "Expected 3 fields in line 3, saw 4"),
        ("frame,x,y\n99999999999,1,2\n", "line 2: column 'frame' is 99999999999, not an integer"),
        ("frame,x,y,z\n0,1,2,0\n0,1,2,1\n", "column 'z' varies"),
        ("frame,x,y,particle\n0,1,2,a\n", "line 2: column 'particle' is a, not an integer"),
    ],
    "napari": [
        ("track_id,t,y\n0,0,1\n", "no column 'x'"),
        ("t,y,x\n0,0,1\n", "no column 'track_id'"),
        ("track_id,t,y,x\n0,0,nan,2\n", "line 2: column 'y' is nan, not a finite number"),
    ],
    "trackmate": [
        ("<TrackMate><Model/></TrackMate>", "line 1: <Model>: has no element <AllSpots>"),
        (TRACKMATE_XML.replace('POSITION_X="8.5" ', ""), "line 8: <Spot>: attribute 'POSITION_X' is missing"),
        (
            TRACKMATE_XML.replace('FRAME="1"', 'FRAME="b"', 1),
            "line 12: <Spot>: attribute 'FRAME' is 'b', not",
        ),
        (TRACKMATE_XML.replace("</Model>", ""), "line 22: not well-formed XML: mismatched tag"),
        (TRACKMATE_XML.replace("TrackMate", "root"), "line 2: its root is <root>, not <TrackMate>"),
        (
            TRACKMATE_XML.replace('POSITION_Z="0"', 'POSITION_Z="1"', 1),
            "line 8: <Spot>: attribute 'POSITION_Z'",
        ),
    ],
    "isbi": [
        ("<root><a/></root>", "line 1: <root>: has no element <TrackContestISBI2012>"),
        ("<root><TrackContestISBI2012/></root>", "has no <detection> of a <particle>"),
        (
            "<root><TrackContestISBI2012><particle>\n<detection t='0' x='1'/>"
            "</particle></TrackContestISBI2012></root>",
            "line 2: <detection>: attribute 'y' is missing",
        ),
        ('<!DOCTYPE r [<!ENTITY a "b">]><root/>', "line 1: declares a document type, which is refused"),
        ("frame,x,y\n0,1,2\n", "line 1: not well-formed XML"),
    ],
}


@pytest.mark.parametrize(("format", "text", "fault"), [(f, *case) for f in BAD for case in BAD[f]])
def test_a_bad_file_is_refused_in_a_line_that_says_where(tmp_path, refusal_here, format, text, fault):
    path = tmp_path / f"bad.{'xml' if format in ('trackmate', 'isbi') else 'csv'}"
    path.write_text(text)
    line = refusal_here(import_detections, "--input", path, "--format", format, output=tmp_path / "data")
    assert str(path) in line
    assert fault in line


def test_a_broken_parquet_file_and_wrong_columns_are_refused(movie, tmp_path, refusal_here):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    arguments = ("--input", tmp_path / "bad.parquet", "--format", "trackpy")
    assert "bad.parquet: cannot be read" in refusal_here(import_detections, *arguments, output=tmp_path / "d")
    movie.to_csv(tmp_path / "movie.csv", index=False)
    arguments = ("--input", tmp_path / "movie.csv", "--format", "trackpy", "--columns")
    (tmp_path / "movie.xml").write_text("<root/>")
    for format in ("isbi", "trackmate"):
        xml = ("--input", tmp_path / "movie.xml", "--format", format, "--columns", "x=X")
        assert "XML has no columns to name" in refusal_here(import_detections, *xml, output=tmp_path / "d")
    for names, fault in (
        (["frame=t"], "no column 't'; it has frame, x, y, particle"),
        (["time=t"], "'time=t' is not one of frame, x, y, particle, then =NAME"),
        (["x=a", "x=b"], "x is given twice"),
    ):
        assert fault in refusal_here(import_detections, *arguments, *names, output=tmp_path / "d")


# Noises


def test_noises_along_tracks_along_the_truth_and_along_none_are_those_of_one_another(movie, tmp_path):
    movie.to_csv(tmp_path / "movie.csv", index=False)
    measurements, tracks, _ = tracked(imported(tmp_path), tmp_path)
    scene = ("--measurements", measurements, "--initial", measurements.with_name("initial.parquet"))
    found = {}
    # The particles are a hundred steps apart: all three associate alike.
    for name, along in (
        ("tracks", ("--tracks", tracks)),
        ("truth", ("--truth", measurements.with_name("truth.parquet"))),
        ("none", ("--lookback", 2)),
    ):
        call(estimate_noise, *scene, *along, "--output", tmp_path / f"{name}.json")
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())
    for noise in ("process_noise", "measurement_noise", "velocity_spread"):
        for key in ("estimate", "lower", "upper"):
            values = [result[noise][key] for result in found.values()]
            assert values == pytest.approx(values[:1] * 3, rel=1e-6, abs=1e-9)
    assert found["none"]["along"] == {"lookback": 2, "rounds": 2, "settled": True}


def test_tracks_without_detections_have_no_noise(dataset, tmp_path, refusal_here):
    directory = dataset()
    measurements, initial = directory / "measurements.parquet", directory / "initial.parquet"
    with TrackWriter(tmp_path / "tracks.parquet", {"dataset": dataset_parameters(measurements)}) as writer:
        for scenes in read_scenes(measurements, initial):
            writer.write(scenes.experiments, scenes.measurements, None)
    line = refusal_here(
        estimate_noise,
        *("--measurements", measurements, "--initial", initial, "--tracks", tmp_path / "tracks.parquet"),
        output=tmp_path / "noise.json",
    )
    assert "experiment 0, frame 1: no detection of 0" in line
