"""Targets that nothing makes are refused together, in a line each that names the nearest one that is made."""

import yaml

from workflow import MOVIE, SMALL, snakemake, written

LIST = "snakemake --list-target-rules names the targets"
NOTHING = "nothing that this config asks for"
# By what is asked for, what its line goes on with.
REFUSED = {
    "results/figures/figure_44.png": "did you mean results/figures/figure_4.png?",
    "results/figures/figure_4.svg": "did you mean results/figures/figure_4.png?",
    "results/costs/figure_4.xls": "did you mean results/costs/figure_4.png?",
    "figure_4": "did you mean results/figures/figure_4.png?",
    "reading": "did you mean readings?",
    "results/sequences/track.gif": "did you mean results/sequences/tracks.gif?",
    # A picture of sequences is none by closeness.
    "results/closeness/tracks.pdf": "did you mean results/sequences/tracks.pdf?",
    "results/together/nonsense.png": LIST,
    # Of twelve frames the small config simulates sequences, but not for Figure 4.
    "results/scores/figure_4/T12_sigma1.parquet": LIST,
    "results/tracks/frozen/T13_sigma1/0.parquet": LIST,
    "results/models/nonsense/model.pt": LIST,
    "results/data/test/T13_sigma1/truth.parquet": LIST,
    "results/flops/figure_5/nonsense.parquet": LIST,
    "results/readings/each/nonsense.parquet": LIST,
    "results/recordings/data/nonsense/initial.parquet": LIST,
    "results/recordings/nonsense.png": LIST,
    "results/figures/FIGURE_4.PNG": "did you mean results/figures/figure_4.png?",
    # Trackers that are not trained make a table, those that are a directory of tables.
    "results/tracks/frozen/T12_sigma1": LIST,
    "results/tracks/plain_T6_i4_sigma7_KE6_KD4/T6_sigma7/0.parquet": LIST,
    # The small config lacks that study; the target of that name says what has it.
    "results/scaling_law.png": "did you mean scaling_law?",
}
MADE = [
    "results/scores/figure_2a/T12_sigma1.parquet",
    "results/tracks/frozen/T12_sigma1/0.parquet",
    "results/tracks/plain_T6_i4_sigma7_KE6_KD4/T6_sigma7",
    "./results/figures/figure_4.png",
]


def test_targets_that_nothing_makes_are_named_with_the_nearest(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, *MADE, *REFUSED)
    assert result.returncode == 1
    said = [line for line in (result.stdout + result.stderr).splitlines() if NOTHING in line]
    assert sorted(said) == sorted(f"{target}: {NOTHING}; {rest}" for target, rest in REFUSED.items())
    assert "Exception" not in result.stdout + result.stderr


def test_a_target_without_a_name_is_refused(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, "")
    assert result.returncode == 1
    assert f"'': {NOTHING}" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_an_error_that_is_not_the_targets_stays(tmp_path):
    arguments = ("--dry-run", "--cores", 1, "--until", "results/nonsense", "results/figures/figure_4.png")
    result = snakemake(tmp_path, *arguments)
    assert "No rule to produce results/nonsense" in result.stdout + result.stderr


def test_a_recording_that_no_picture_shows_is_made(tmp_path):
    recording = yaml.safe_dump({"recordings": {"mine": {**MOVIE, "frames": 2, "truth": False}}})
    (tmp_path / "movie.csv").write_text("frame,x,y\n0,1,1\n0,2,2\n1,1,1\n1,2,2\n")
    configs = (SMALL, written(tmp_path, recording))
    target = "results/recordings/data/mine/initial.parquet"
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, target, "reading", configs=configs)
    said = [line for line in (result.stdout + result.stderr).splitlines() if NOTHING in line]
    assert said == [f"reading: {NOTHING}; did you mean readings?"]


def test_targets_that_are_made_are_not_refused(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, *MADE)
    assert result.returncode == 0, result.stderr
    assert NOTHING not in result.stdout + result.stderr
