"""The image, really built and run where there is no engine: buildah for the one, namespaces for the other.

The base is made of Debian's packages. A container has the image's user, variables, entry point and health check, its
file system is read-only, and there is no shell in it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from feed.lifecycle import dies_with_parent
from tests.deploy import recipe
from tests.deploy.composed import DEPLOY, ROOT

TOOLS: Final = ("buildah", "mmdebstrap", "unshare", "nsenter", "setpriv")
SUITE: Final = "bookworm"
# What slim images leave out: it would be copied with every stage.
UNUSED: Final = ("usr/share/doc", "usr/share/locale", "usr/share/man")
PACKAGES: Final = "python3,python3-venv,ca-certificates"
BASE: Final = "localhost/feed-base"
IMAGE: Final = "localhost/feed"
# In the base and in most others; what is called so is no longer there when the image runs.
SHELLS: Final = ("sh", "bash", "dash", "rbash")
# Sets a container up, and becomes its process 1. Run by the outer shell, with the inner tree as its root's $1.
ENTER: Final = """
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=64k dev "$root/dev"
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,bind,ro "$root"
exec "$@"
"""


def lacking() -> str:
    """Why no image can be built here; "" where one can."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "building and running an image without an engine takes Linux and root"
    missing = [name for name in TOOLS if shutil.which(name) is None]
    return f"no {', no '.join(missing)} on the PATH (Debian has buildah and mmdebstrap)" if missing else ""


class Image(NamedTuple):
    """A built image: its configuration as an engine reads it, its files, and the bytes that it and its base have."""

    config: dict[str, Any]
    root: Path
    size: int
    base_size: int


class Builder:
    """buildah with a storage of its own, which goes with the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._base_size = 0

    def buildah(self, *arguments: str | Path) -> str:
        # the driver that needs nothing of the kernel: where this runs in a container itself, overlay may not be had
        storage = ("--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        return run("buildah", *storage, *arguments).strip()

    def base(self) -> None:
        """Debian with its Python, and nothing more."""
        tree = self.folder / "base"
        run("mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}", SUITE, tree)
        for unused in UNUSED:
            shutil.rmtree(tree / unused)
        self._base_size = size(tree)
        container = self.buildah("from", "scratch")
        self.buildah("add", "-q", container, tree, "/")
        self.buildah("commit", "-q", container, BASE)
        self.buildah("rm", container)
        shutil.rmtree(tree)

    def build(self, wheels: Path) -> Image:
        """The Dockerfile, with wheels from a folder in place of an index."""
        settings = self.folder / "pip.conf"
        settings.write_text("[global]\nno-index = true\nfind-links = /wheelhouse\n")
        self.buildah(
            "build", "--isolation", "chroot", "--format", "docker", "--build-arg", f"PYTHON={BASE}",
            "--build-arg", "REVISION=tested", "--secret", f"id=pip.conf,src={settings}",
            "--volume", f"{wheels}:/wheelhouse:ro", "-f", recipe.DOCKERFILE, "-t", IMAGE, ROOT,
        )  # fmt: skip
        config = json.loads(self.buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        root = Path(self.buildah("mount", self.buildah("from", IMAGE)))
        image = Image(config, root, size(root), self._base_size)
        for folder in ("bin", "usr/bin"):
            for shell in SHELLS:
                (root / folder / shell).unlink(missing_ok=True)
        return image

    def close(self) -> None:
        """Unmounts all, and leaves nothing of the gigabyte."""
        self.buildah("rm", "--all")
        shutil.rmtree(self.folder)


def fetch_wheels(folder: Path, *platform: str) -> None:
    """All that the locks name, whatever Python it is for: the base's may be older than the one that runs this."""
    for name in ("requirements", "build", "init"):
        lock = folder / f"{name}.lock"
        lock.write_text(re.sub(r" ;[^\\\n]*", " ", (DEPLOY / f"{name}.lock").read_text()))
        run(
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            *platform, "-d", folder, "-r", lock,
        )  # fmt: skip


class Container:
    """A running container, as an engine would have started it. The network is this machine's."""

    def __init__(self, image: Image, arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
        self._image = image
        self._variables = dict(entry.split("=", 1) for entry in image.config["Env"]) | dict(variables)
        with open(log, "wb") as out:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh", str(image.root),
                 *self._inner([*image.config["Entrypoint"], *arguments])],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=dies_with_parent(),
            )  # fmt: skip

    def _inner(self, command: Sequence[str]) -> list[str]:
        """A command within the image's tree: its user, no right, and no way to get one."""
        user, group = self._image.config["User"].split(":")
        variables = [f"{name}={value}" for name, value in self._variables.items()]
        rights = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        drop = ["setpriv", f"--reuid={user}", f"--regid={group}", *rights]
        return ["env", "-i", *variables, "chroot", str(self._image.root), *drop, *command]

    @property
    def first(self) -> int:
        """Process 1 of the container, as this machine counts."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def processes(self) -> list[int]:
        """Those below process 1, as this machine counts; the dead that nobody buried too."""
        found = [self.first]
        for pid in found:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended since its parent was asked
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found[1:]

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Another process within it, as its health check is one."""
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid", *self._inner(command)]
        return subprocess.run(enter, capture_output=True, text=True, timeout=30)

    def healthy(self) -> bool:
        how, *command = self._image.config["Healthcheck"]["Test"]
        assert how == "CMD"
        return self.execute(*command).returncode == 0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.first, number)

    def ended(self, within_s: float) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(within_s)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError, FileNotFoundError):
            os.kill(self.first, signal.SIGKILL)
        self._process.kill()
        self._process.wait()


@contextmanager
def running(image: Image, *arguments: str, log: Path, **variables: str) -> Iterator[Container]:
    container = Container(image, arguments, variables, log)
    try:
        yield container
    finally:
        container.kill()


def size(tree: Path) -> int:
    """Bytes of its files, each once."""
    seen: dict[tuple[int, int], int] = {}
    for path in tree.rglob("*"):
        stat = path.lstat()
        seen[stat.st_dev, stat.st_ino] = stat.st_size
    return sum(seen.values())


def run(*command: str | Path) -> str:
    """What it says. Raises RuntimeError with its last words."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2_000:]}")
    return done.stdout
