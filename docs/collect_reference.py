"""Take a run of the default config over as the reference, its models' learning curves in one table.

    python docs/collect_reference.py results

What results/reference/ has of other targets stays. Its README.md names the run: say there by which commit it
was made, where, and what changed; then run docs/fill_verdicts.py.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
FILES = ("config.yaml", "run.csv", "claims.*", "calibration.*")
DIRECTORIES = ("figures", "together", "sequences", "closeness")
LEARNING_CURVES = "learning_curves.csv"
DIGITS = 4


def collect(run: Path, reference: Path) -> None:
    """Replace what the reference has of a run of the default config by the files of this one."""
    curves = learning_curves(run / "models")
    for pattern in FILES:
        for path in reference.glob(pattern):
            path.unlink()
        for path in run.glob(pattern):
            shutil.copy(path, reference)
    for name in DIRECTORIES:
        shutil.rmtree(reference / name, ignore_errors=True)
        if (run / name).exists():
            shutil.copytree(run / name, reference / name)
    curves.to_csv(reference / LEARNING_CURVES, index=False)


def learning_curves(models: Path) -> pd.DataFrame:
    """Return by model and epoch the means over replicates."""
    curves = [
        pd.read_parquet(path).assign(model=path.parent.name)
        for path in sorted(models.glob("*/learning_curve.parquet"))
    ]
    means = pd.concat(curves).groupby(["model", "epoch"])[["loss", "jaccard", "position_error"]].mean()
    return means.round(DIGITS).reset_index()


def main() -> None:
    """Read the flags and collect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="results/ of the run")
    parser.add_argument("--reference", type=Path, default=ROOT / "results/reference")
    arguments = parser.parse_args()
    run, reference = arguments.run, arguments.reference
    if not reference.is_dir() or reference.resolve() == run.resolve():
        parser.error(f"{reference}: must be the directory of the reference, and not that of the run")
    if not all((run / name).exists() for name in ("claims.csv", "run.csv", "models")):
        parser.error(f"{run}: lacks claims.csv, run.csv or models/; it must be results/ of a finished run")
    collect(run, reference)


if __name__ == "__main__":
    main()
