"""Studies of many particles: what a density and a list of datasets ask for, and what is refused of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from mpt.motion import simulate
from planning.configuration import canonical, problems
from planning.density import boxed
from planning.flags import test_set as flags_of_test_set
from planning.flags import training_set as flags_of_training_set
from planning.ledger import ledger
from planning.statements import title
from planning.studies import plan
from workflow import jobs, snakemake, written

PROJECT = Path(__file__).parents[1]
SCHEMA = PROJECT / "schemas/config.schema.yaml"
BEYOND = PROJECT / "studies/beyond.yaml"


def read(*overlays) -> dict:
    """Return config.yaml under overlays, as Snakemake lays them over it."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    for overlay in overlays:
        update_config(config, overlay)
    return canonical(config)


def with_study(text: str) -> dict:
    """Return config.yaml with one more study, named mine."""
    return read({"studies": {"mine": yaml.safe_load(text)}})


SPREADS = """
    title: "σ = {σ}"
    datasets:
      - &scene {frames: 10, measurement_noise: 3, particles: 2, initial_spread: 5}
      - {<<: *scene, particles: 20, initial_spread: 15.8}
      - {<<: *scene, particles: [50, 100], initial_spread: 30, experiments: 4}
    x: particles
    trackers:
      - {method: control, control: frozen}
      - {method: geometric, label: network, frames: 10, experiments_per_batch: 2, measurement_noise: known,
         encoder_lookback: 2, decoder_lookback: 2, particles: 5, initial_spread: 8}
"""


def test_a_list_of_datasets_holds_values_that_go_together():
    config = with_study(SPREADS)
    assert problems(config, SCHEMA) == []
    planned = plan(config)
    names = ["T10_sigma3", "T10_sigma3_particles-20_initial_spread-15.8"]
    names += [f"T10_sigma3_particles-{N}_initial_spread-30_experiments-4" for N in (50, 100)]
    for curve in planned.curves["mine"]:
        assert [(x, dataset) for x, dataset, _ in curve.points] == [
            *zip([2, 20, 50, 100], names, strict=True)
        ]
    assert [curve.label for curve in planned.curves["mine"]] == ["frozen", "network"]
    told = flags_of_test_set(config, planned, names[1])
    assert "--initial-spread 15.8 " in told
    assert "--particles 20 " in told


def test_a_network_trained_at_one_number_of_particles_is_one_model_for_all():
    planned = plan(with_study(SPREADS))
    (network,) = [curve for curve in planned.curves["mine"] if curve.label == "network"]
    (tracker,) = {name for *_, name in network.points}
    data = planned.training_set_of[planned.model_of[tracker]]
    assert data == "T10_i2_sigma3_particles-5_initial_spread-8"
    assert planned.training_sets[data]["particles"] == 5


def test_labels_say_what_differs_at_one_x_only():
    config = with_study(SPREADS)
    datasets = config["studies"]["mine"]["datasets"]
    datasets[0]["measurement_noise"] = datasets[1]["measurement_noise"] = [1, 3]
    # So that each noise has a curve over all N.
    datasets[2]["measurement_noise"] = [1, 3]
    labels = [curve.label for curve in plan(config).curves["mine"]]
    assert labels == ["frozen, σ = 1", "frozen, σ = 3", "network, σ = 1", "network, σ = 3"]


@pytest.mark.parametrize("particles", [1, 2, 7, 100])
def test_a_box_holds_as_many_particles_as_its_density_says(particles):
    scene = boxed({"particles": particles, "density": 0.002, "initial_spread": 5, "confinement": None})
    assert 0.002 * (2 * scene["confinement"]) ** 2 == pytest.approx(particles)
    assert boxed(scene | {"density": None}) == scene | {"density": None}


def test_particles_of_a_density_start_anywhere_in_their_box():
    scene = boxed({"particles": 50, "density": 0.002})
    half_width = scene["confinement"]
    noises = {"process_noise": 1.5, "measurement_noise": 3, "drift_spread": 0.1, "seed": 1}
    data = simulate(np.arange(400), 2, 50, **scene_flags(scene), **noises)
    counts, _ = np.histogram(data.positions[:, 0], bins=8, range=(-half_width, half_width))
    # Of 40,000 coordinates a bin has 5,000, with a standard deviation of 66 and 1.5 % for the Gaussian.
    assert counts.sum() == 40_000
    np.testing.assert_allclose(counts, 5000, atol=4 * 66 + 75)


def scene_flags(scene: dict) -> dict:
    return {key: scene[key] for key in ("initial_spread", "confinement")}


DENSE = """
    title: "ρ = {ρ}"
    datasets: {frames: 10, measurement_noise: 3, particles: [2, 8], density: 0.02}
    x: particles
    trackers:
      - &network {method: geometric, label: network, frames: 10, experiments_per_batch: 2, particles: 5,
         measurement_noise: known, encoder_lookback: 2, decoder_lookback: 2}
      - {method: mht, solver: assignment, lookback: 1, measurement_noise: known}
"""


def test_a_network_is_trained_at_the_density_that_it_is_tested_at():
    config = with_study(DENSE)
    assert problems(config, SCHEMA) == []
    planned = plan(config)
    assert title(config, planned, "mine") == "ρ = 0.02"
    # 8 particles at 0.02 fill 400, the square of 20.
    told = flags_of_test_set(config, planned, "T10_sigma3_particles-8_density-0.02")
    assert "--confinement 10 " in told
    assert "--initial-spread 10 " in told
    assert "density" not in told
    (network,) = {name for curve in planned.curves["mine"] for *_, name in curve.points if "geom" in name}
    name = planned.training_set_of[planned.model_of[network]]
    assert name == "T10_i2_sigma3_particles-5_density-0.02"
    half_width = np.sqrt(5 / 0.02) / 2
    assert f"--confinement {half_width:.12g} " in flags_of_training_set(config, planned, name)


@pytest.mark.parametrize(
    ("study", "place", "value", "told"),
    [
        (SPREADS, "datasets", [], "studies.mine.datasets: [] "),
        (SPREADS, "datasets", [5], "studies.mine.datasets[0]: 5 is not of type 'object'"),
        (
            SPREADS,
            "datasets",
            [{"frames": 10}],
            "studies.mine.datasets[0]: 'measurement_noise' is a required property",
        ),
        (
            SPREADS,
            "datasets",
            [
                {"frames": 10, "measurement_noise": 3, "particles": 5},
                {"frames": 10, "measurement_noise": 3},
            ],
            "studies.mine.datasets[1]: it does not say particles, which is the study's x",
        ),
        (
            SPREADS,
            "datasets",
            [
                {"frames": 10, "measurement_noise": 3, "particles": [5, 6]},
                {"frames": 10, "measurement_noise": 3, "particles": 6},
            ],
            "studies.mine.datasets[1]: the study has the dataset T10_sigma3_particles-6 already",
        ),
        (
            SPREADS,
            "datasets",
            [{"frames": 10, "measurement_noise": 3, "particles": 0}],
            "studies.mine.datasets[0].particles: 0 ",
        ),
        (
            DENSE,
            "datasets",
            {"frames": 10, "measurement_noise": 3, "particles": 2, "density": 0.1, "confinement": 9},
            "studies.mine.datasets.confinement: the density says it; set one of the two",
        ),
        (
            DENSE,
            "datasets",
            {"frames": 10, "measurement_noise": 3, "particles": 2, "density": 0},
            "studies.mine.datasets.density: 0 ",
        ),
    ],
)
def test_a_wrong_dataset_is_refused_in_one_line(study, place, value, told):
    config = with_study(study)
    config["studies"]["mine"][place] = value
    (line,) = problems(config, SCHEMA)
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"particles": "all"}, "studies.mine.trackers[0].particles: 'all' is not 'known'"),
        ({"particles": 0}, "studies.mine.trackers[0].particles: 0 "),
        (
            {"confinement": 9},
            "studies.mine.trackers[0].confinement: the density of the training data says it; ",
        ),
    ],
)
def test_wrong_training_data_are_refused_in_one_line(changes, told):
    config = with_study(DENSE)
    config["studies"]["mine"]["trackers"][0] |= changes
    (line,) = problems(config, SCHEMA)
    assert line.startswith(told)


def test_a_network_may_be_trained_in_a_box_of_its_own():
    config = with_study(DENSE)
    config["studies"]["mine"]["trackers"][0] |= {"density": None, "confinement": 9, "initial_spread": 9}
    assert problems(config, SCHEMA) == []
    (name,) = [name for name in plan(config).training_sets if name.startswith("T10_")]
    assert name == "T10_i2_sigma3_particles-5_initial_spread-9_confinement-9"


@pytest.fixture(scope="module")
def beyond():
    return read(yaml.safe_load(BEYOND.read_text(encoding="utf-8")))


def test_the_studies_beyond_the_paper_are_valid(beyond):
    assert problems(beyond, SCHEMA) == []


def test_they_ask_for_few_jobs(beyond):
    planned = plan(beyond)
    assert list(planned.curves) == ["figure_7", "figure_8", "figure_9", "figure_10"]
    # Six N and four more densities; figures 9 and 10 have datasets of figure 7's.
    assert len(planned.test_sets) == 6 + 4
    assert {scene["particles"] for scene in planned.training_sets.values()} == {2, 5, 10}
    # Trained at five, untrained, and fewer trainings at each N of figure 10.
    assert len(planned.models) == 2 + 3
    # Three controls, two networks and three MHTs on each, two more MHTs of figure 9, figure 10's networks;
    # hybrids on each N of figure 7 and of each K and ε of figure 9, one of which both have.
    assert len(planned.told) == 10 * 8 + 2 + 3 + 6 + 5 * 3 - 1
    over_particles = {scene["particles"]: scene for scene in planned.test_sets.values()}
    assert list(over_particles) == [2, 5, 10, 20, 50, 100]
    densities = {
        round(s["particles"] / (2 * s["confinement"]) ** 2, 9)
        for name, s in planned.test_sets.items()
        if "density-0.0015" in name
    }
    assert densities == {0.0015}


def test_their_claims_are_about_themselves_and_have_controls(beyond):
    found = ledger(beyond, plan(beyond))
    assert all(name.startswith("beyond_") for name in found["claims"])
    assert found["claims"]["beyond_particles_mht"]["x"] == [2, 5, 10, 20, 50, 100]
    for figure in found["figures"].values():
        assert list(figure["controls"]) == ["frozen", "random", "oracle", "untrained_geometric"]


SMALL = """
studies:
  figure_2a: null
  figure_2b: null
  figure_2c: null
  figure_3: null
  figure_4: null
  figure_6: null
  mine:
    title: "σ = {σ}"
    datasets:
      - {frames: 6, measurement_noise: 3, particles: 2, initial_spread: 5, experiments: 6}
      - {frames: 6, measurement_noise: 3, particles: 3, density: 0.02, experiments: 4}
    x: particles
    trackers:
      - {method: control, control: oracle}
      - {method: mht, solver: assignment, lookback: 1, measurement_noise: known}
operation_counts: {figure_5: null}
claims:
  mine:
    statement: The oracle beats the MHT.
    figure: mine
    test: difference
    curve: oracle
    reference: MHT
    direction: better
"""


def test_the_target_makes_a_study_over_particles(tmp_path):
    overlay = [written(tmp_path, SMALL)]
    planned = jobs(snakemake(tmp_path, "--dry-run", "beyond", configs=overlay))
    assert (planned["simulate_test_set"], planned["track"]) == (2, 4)
    result = snakemake(tmp_path, "--cores", "2", "--quiet", "all", "--", "beyond", configs=overlay)
    assert result.returncode == 0, result.stderr
    rows = pd.read_csv(tmp_path / "results/figures/mine.csv")
    of_mht = rows[(rows["label"] == "MHT") & (rows["score"] == "jaccard")]
    assert list(of_mht["x"]) == [2, 3]
    assert list(of_mht["experiments"]) == [6, 4]
    assert "The oracle beats the MHT." in (tmp_path / "results/claims.md").read_text(encoding="utf-8")


def test_the_target_is_refused_where_all_studies_are_the_papers(tmp_path):
    refused = snakemake(tmp_path, "--dry-run", "beyond", configs=[])
    assert refused.returncode != 0
    assert "studies: all are the paper's; lay studies/beyond.yaml" in refused.stdout + refused.stderr
