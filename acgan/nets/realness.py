"""How real one picture looks: the small net that a snapshot ships with, to choose among its draws.

`python -m eval realness` fits it to the snapshot's own draws. The file, `<snapshot>.realness.onnx`,
takes `pictures` uint8 [N, 3, S, S] and gives `realness` float32 [N]: 0 for all that look real
enough (at least two in three draws of a good model), below 0 the farther off the lower. The first
of the highest is the one to take: the first good draw, which costs less variety than the very best.
Its metadata says whose draws it knows and from which network's features it learnt: that network
must never score what this one chose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avatar_common.disk.runs import SnapshotInfo
from avatar_common.errors import Unavailable, UserError

REALNESS_SCHEMA_VERSION = 1
SUFFIX = ".realness.onnx"
PACKAGED = "realness.onnx"  # beside a packaged snapshot, whatever its name
PACKAGED_HASH = "realness_sha256"  # in a packaged snapshot's `extra`
BATCH = 64


@dataclass(frozen=True)
class RealnessInfo:
    """What a student was fitted to: a snapshot's draws, in one network's distances."""

    image_size: int
    weights_sha256: str
    dataset_id: str
    network: str
    network_sha256: str
    rank_correlation: float

    def to_metadata(self) -> dict[str, str]:
        """As the file's metadata, all of it text."""
        return {
            "schema_version": str(REALNESS_SCHEMA_VERSION),
            **{name: str(value) for name, value in vars(self).items()},
        }

    @staticmethod
    def from_metadata(found: Mapping[str, str], where: str) -> RealnessInfo:
        """Raises `UserError` when it is none of ours, or of another version."""
        if found.get("schema_version") != str(REALNESS_SCHEMA_VERSION):
            raise UserError(
                "not a realness net of this program's version",
                where=where,
                hint="run `python -m eval realness` again",
            )
        try:
            return RealnessInfo(
                int(found["image_size"]),
                found["weights_sha256"],
                found["dataset_id"],
                found["network"],
                found["network_sha256"],
                float(found["rank_correlation"]),
            )
        except (KeyError, ValueError) as error:
            raise UserError(f"not a realness net: {error!r}", where=where) from None


class Realness:
    """A loaded student."""

    def __init__(self, session: Any, info: RealnessInfo, file_hash: str) -> None:
        self._session = session
        self.info, self.file_hash = info, file_hash

    @staticmethod
    def load(path: Path) -> Realness:
        """Read the file. Raises `UserError` when it is missing or damaged."""
        try:
            import onnxruntime
        except ImportError:
            raise Unavailable(
                "choosing by realness needs onnxruntime", hint="pip install onnxruntime"
            ) from None
        try:
            data = path.read_bytes()
        except OSError:
            raise UserError("no realness net here", where=str(path)) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # so small that threads only wait for one another
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a class of its own for every cause
            reason = str(error).partition("\n")[0][:120]
            raise UserError(f"not an ONNX file: {reason}", where=str(path)) from None
        metadata = session.get_modelmeta().custom_metadata_map
        info = RealnessInfo.from_metadata(metadata, str(path))
        return Realness(session, info, hashlib.sha256(data).hexdigest()[:16])

    def score(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [N] for uint8 [N, 3, S, S]; higher is more real, 0 for all that are good."""
        found = [
            self._session.run(None, {"pictures": pictures[start : start + BATCH]})[0]
            for start in range(0, len(pictures), BATCH)
        ]
        return np.concatenate(found) if found else np.empty(0, np.float32)


def realness_path(snapshot: Path) -> Path:
    """Where the student of a snapshot (any of its files) belongs."""
    return snapshot.with_name(snapshot.name.removesuffix(snapshot.suffix) + SUFFIX)


def find_realness(snapshot: Path, info: SnapshotInfo) -> Realness | None:
    """The student beside a snapshot; None where there is none that knows its weights.

    A packaged snapshot may be stored in halves, with another hash than the one that the student was
    fitted to: there the file beside it must be the one that was packaged, where that is known.
    Raises `UserError` for another or a damaged one.
    """
    packaged = snapshot.parent / PACKAGED
    if packaged.is_file():
        check_packaged(packaged, info.extra.get(PACKAGED_HASH))
        return Realness.load(packaged)
    own = realness_path(snapshot)
    if not own.is_file():
        return None
    found = Realness.load(own)
    return found if found.info.weights_sha256 == info.weights_sha256 else None


def check_packaged(path: Path, expected: str | None) -> None:
    """Raises `UserError` when the file's SHA-256 is another; older packages name none."""
    if expected is not None and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise UserError(
            "not the realness net that this model was packaged with",
            where=str(path),
            hint="put back the one of the package, or delete the file",
        )
