"""The commands that docs/recordings.md shows do what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from mpt.motion import simulate

PROJECT = Path(__file__).parents[1]


def test_four_commands_lead_from_a_movie_to_its_tracks(tmp_path):
    simulation = simulate(np.arange(1), 40, 3, 1.0, 0.5, 100.0, 0.1, seed=8)
    z = np.take_along_axis(simulation.measurements, simulation.detection[..., None], axis=2)[0]
    movie = pd.DataFrame(
        {"frame": np.repeat(np.arange(40) + 5, 3), "x": z[..., 0].ravel(), "y": z[..., 1].ravel()}
    )
    movie.sample(frac=1, random_state=1).to_csv(tmp_path / "movie.csv", index=False)

    (block,) = re.findall(r"```sh\n(.*?)```", (PROJECT / "docs/recordings.md").read_text(), re.DOTALL)
    commands = block.splitlines()
    assert len(commands) == 4
    printed = []
    for command in commands:
        python, script, *arguments = shlex.split(command)
        assert python == "python"
        result = subprocess.run(
            [sys.executable, PROJECT / script, *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        printed.append(result.stdout)

    tracks = pd.read_csv(tmp_path / "tracks.csv")
    # The particles are a hundred steps apart: each track is a particle.
    own = {frozenset(zip(range(5, 45), *z[:, n].T.tolist(), strict=True)) for n in range(3)}
    found = {
        frozenset(zip(track.frame.tolist(), track.x.tolist(), track.y.tolist(), strict=True))
        for _, track in tracks.round(9).groupby("particle")
    }
    assert found == {frozenset((t, round(x, 9), round(y, 9)) for t, x, y in track) for track in own}
    assert (tracks.margin.dropna() > 10).all()
    # What the estimate prints are flags of the tracker, and the simulated noises are within its intervals.
    rows = dict(re.findall(r"--(\S+) \S+ +# (\S+ to \S+) ", printed[1]))
    for name, value in (("process-noise", 0.1), ("measurement-noise", 0.05), ("velocity-spread", 0.01)):
        assert f"--{name} " in commands[2]
        lower, upper = map(float, rows[name].split(" to "))
        assert lower <= value <= upper
