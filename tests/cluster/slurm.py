"""A SLURM of one node on the loopback interface, in a folder of its own: it touches nothing outside.

The node has one GPU in name only, and as many processors as it says: what it runs are tests.
"""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODE = "node"
PROCESSORS = 16
MEMORY_MB = 32000
GPU_MODEL = "imagined"

CONFIG = f"""
ClusterName=test
SlurmctldHost={{host}}(127.0.0.1)
SlurmctldPort={{controller_port}}
SlurmdPort={{node_port}}
SlurmUser={{user}}
SlurmdUser={{user}}
AuthType=auth/munge
AuthInfo=socket={{folder}}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
# Jobs stay known for as long as the test looks at them.
MinJobAge=86400
KillWait=2
StateSaveLocation={{folder}}/state
SlurmdSpoolDir={{folder}}/spool
SlurmctldPidFile={{folder}}/slurmctld.pid
SlurmdPidFile={{folder}}/slurmd.pid
SlurmctldLogFile={{folder}}/slurmctld.log
SlurmdLogFile={{folder}}/slurmd.log
NodeName={NODE} NodeHostname={{host}} NodeAddr=127.0.0.1 CPUs={PROCESSORS} RealMemory={MEMORY_MB} \
    Gres=gpu:{GPU_MODEL}:1
PartitionName=processors Nodes={NODE} DefMemPerCPU=500 State=UP
PartitionName=gpus Nodes={NODE} DefMemPerCPU=500 State=UP
"""


def missing() -> list[str]:
    """Return the programs of SLURM and MUNGE that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"])


class Slurm:
    """A running SLURM; `environment` is what a user's shell has who works with it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf")}

    def run(self, *command) -> str:
        """Return what a command of SLURM prints."""
        result = self._run(command)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def try_run(self, *command) -> str:
        """Return what a command of SLURM prints, which may fail."""
        return self._run(command).stdout

    def _run(self, command) -> subprocess.CompletedProcess:
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            timeout=60,
        )

    def jobs(self) -> dict[str, dict[str, str]]:
        """Return what SLURM knows of every job that was ever submitted, by its number."""
        found = {}
        for line in self.run("scontrol", "show", "job", "--oneliner", "--details").splitlines():
            fields = dict(re.findall(r"(\w+)=(\S*)", line))
            if "JobId" in fields:
                found[fields["JobId"]] = fields
        return found


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """Start a SLURM whose files are in `folder`, and stop it at the end."""
    slurm = Slurm(folder)
    _configure(folder)
    daemons = []

    def start(program: str, *arguments) -> None:
        path = shutil.which(program, path=_path())
        with (folder / f"{program}.output").open("w") as output:
            daemons.append(
                subprocess.Popen([path, *arguments], env=slurm.environment, stdout=output, stderr=output)
            )

    try:
        files = {"socket": "munge.socket", "key-file": "key", "seed-file": "seed"}
        files |= {"pid-file": "munged.pid", "log-file": "munged.log"}
        start(
            "munged",
            "--foreground",
            "--force",
            *(f"--{flag}={folder / name}" for flag, name in files.items()),
        )
        _wait_until((folder / "munge.socket").exists, "munged made no socket")
        start("slurmctld", "-D", "-c")
        start("slurmd", "-D", "-c", "-N", NODE)
        _wait_until(
            lambda: "idle" in slurm.try_run("sinfo", "-h", "-o", "%T"), "the node did not become idle"
        )
        yield slurm
    finally:
        try:
            slurm.try_run("scancel", "--user", getpass.getuser())
            _wait_until(lambda: not slurm.try_run("squeue", "--noheader"), "jobs did not end")
        finally:
            for daemon in reversed(daemons):
                _stop(daemon)


def _stop(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o600)
    values = {
        "folder": folder,
        "host": socket.gethostname().partition(".")[0],
        "user": getpass.getuser(),
        "controller_port": _free_port(),
        "node_port": _free_port(),
    }
    (folder / "slurm.conf").write_text(CONFIG.format(**values))
    # A character device is what SLURM asks of a GPU.
    (folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu Type={GPU_MODEL} File=/dev/null\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until(condition, complaint: str, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(complaint)
        time.sleep(0.1)
