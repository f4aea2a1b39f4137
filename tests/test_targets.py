"""Targets that nothing makes are refused together, in a line each that names the nearest one that is made."""

from workflow import snakemake

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
    "results/together/nonsense.png": "snakemake --list names the rules",
    # Of twelve frames the small config simulates sequences, but not for Figure 4.
    "results/scores/figure_4/T12_sigma1.parquet": "snakemake --list names the rules",
    "results/tracks/frozen/T13_sigma1/0.parquet": "snakemake --list names the rules",
    "results/models/nonsense/model.pt": "snakemake --list names the rules",
    "results/data/test/T13_sigma1/truth.parquet": "snakemake --list names the rules",
    "results/flops/figure_5/nonsense.parquet": "snakemake --list names the rules",
    "results/readings/each/nonsense.parquet": "snakemake --list names the rules",
    "results/recordings/data/nonsense/initial.parquet": "snakemake --list names the rules",
}
MADE = [
    "results/scores/figure_2a/T12_sigma1.parquet",
    "results/tracks/frozen/T12_sigma1/0.parquet",
    "./results/figures/figure_4.png",
]


def test_targets_that_nothing_makes_are_named_with_the_nearest(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, *MADE, *REFUSED)
    assert result.returncode == 1
    said = [line for line in (result.stdout + result.stderr).splitlines() if NOTHING in line]
    assert sorted(said) == sorted(f"{target}: {NOTHING}; {rest}" for target, rest in REFUSED.items())
    assert "Exception" not in result.stdout + result.stderr


def test_targets_that_are_made_are_not_refused(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--cores", 1, *MADE)
    assert result.returncode == 0, result.stderr
    assert NOTHING not in result.stdout + result.stderr
