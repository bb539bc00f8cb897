"""Training end to end at a tiny scale; what we compute is what OpenCV computes."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_common.errors import UserError
from preprocess.detect import CROP_SIDE_PX, box_iou
from preprocess.detector_training import face_views, negatives
from preprocess.detector_training.boost import StageGoal, stage_sums, train_stage
from preprocess.detector_training.collages import Looks, calibration, collage, share_found
from preprocess.detector_training.face_views import draw_face, face_patch
from preprocess.detector_training.features import WINDOW_PX, all_features, feature_codes, integrals
from preprocess.detector_training.mining import Backgrounds, max_iou, mine
from preprocess.detector_training.negatives import scrambled
from preprocess.detector_training.options import TrainCascadeOptions, TrainVerifierOptions
from preprocess.detector_training.samples import (
    BoxedPicture,
    Jitter,
    draw_view,
    read_boxed,
    read_crops,
)
from preprocess.detector_training.train import train_cascade
from preprocess.detector_training.xml import Cascade, read_xml


def drawn_face(rng: np.random.Generator, side_px: int = 64) -> np.ndarray:
    """A face any child would draw: head, eyes, mouth, on a plain ground."""
    shades = rng.integers(0, 256, (4, 3))
    face = np.full((side_px, side_px, 3), shades[0], np.uint8)
    skin = tuple(int(v) for v in np.clip(shades[1] // 3 + 170, 0, 255))
    dark = tuple(int(v) for v in shades[2] // 3)
    middle = side_px // 2
    cv2.ellipse(face, (middle, middle), (middle - 8, middle - 4), 0, 0, 360, skin, -1)
    for x in (middle - 12, middle + 12):
        cv2.ellipse(face, (x, middle), (6, 8), 0, 0, 360, dark, -1)
        cv2.circle(face, (x + 2, middle - 3), 2, (255, 255, 255), -1)
    cv2.ellipse(face, (middle, middle + 16), (7, 3), 0, 0, 180, dark, 2)
    return face


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of face crops, and a folder of boxed pictures."""
    rng = np.random.default_rng(5)
    crops = tmp_path_factory.mktemp("crops")
    for i in range(80):
        cv2.imwrite(str(crops / f"{i}.png"), drawn_face(rng))
    pictures = tmp_path_factory.mktemp("pictures")
    rows: list[tuple[object, ...]] = []
    for i in range(6):
        ground: np.ndarray = rng.integers(0, 256, (160, 160, 3)).astype(np.uint8)
        ground = cv2.GaussianBlur(ground, (0, 0), 3)
        if i % 2:
            ground[40:104, 30:94] = drawn_face(rng)
            rows.append((f"{i}.png", 30, 40, 64, 64))
        else:
            rows.append((f"{i}.png", "", "", "", ""))
        cv2.imwrite(str(pictures / f"{i}.png"), ground)
    with (pictures / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "x", "y", "w", "h"), *rows])
    return crops, pictures


def tiny_options(sources: tuple[Path, Path], out: Path, stages: int) -> TrainCascadeOptions:
    crops, pictures = sources
    return TrainCascadeOptions(
        out=out,
        crops=(crops,),
        pictures=(pictures,),
        stages=stages,
        faces=300,
        negatives=400,
        feature_share=0.02,
        max_false_alarm=0.6,
        mining_cap_s=5.0,
        quiet=True,
    )


@pytest.fixture(scope="module")
def trained(sources: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cascade") / "tiny.xml"
    train_cascade(tiny_options(sources, out, stages=3))
    return out


def opencv_scan(gray: np.ndarray, cascade: Cascade) -> set[tuple[int, int]]:
    """Corners that OpenCV reports at scale 1, from our own decision on every window.

    It looks at each second row and column, and skips one more place after a window that the
    first stage turns away.
    """
    views = np.lib.stride_tricks.sliding_window_view(gray, (WINDOW_PX, WINDOW_PX))
    rows, columns = views.shape[:2]
    windows = views.reshape(-1, WINDOW_PX, WINDOW_PX)
    passed = cascade.passes(windows).reshape(rows, columns)
    first = Cascade(WINDOW_PX, cascade.features, cascade.stages[:1])
    began = first.passes(windows).reshape(rows, columns)
    corners = set()
    for y in range(0, rows, 2):
        x = 0
        while x < columns:
            if passed[y, x]:
                corners.add((x, y))
            x += 2 if began[y, x] else 4
    return corners


def test_opencv_agrees_on_every_window(trained: Path) -> None:
    rng = np.random.default_rng(1)
    # 89 rows: OpenCV splits the rows among three stripes and drops what is left over.
    gray: np.ndarray = rng.integers(0, 256, (89, 110)).astype(np.uint8)
    gray = cv2.GaussianBlur(gray, (0, 0), 2)
    face = cv2.cvtColor(drawn_face(rng), cv2.COLOR_RGB2GRAY)
    gray[20:56, 40:76] = cv2.resize(face, (36, 36))
    gray[60:86, 10:36] = cv2.resize(face, (26, 26))
    found = cv2.CascadeClassifier(str(trained)).detectMultiScale(
        gray, 1.1, 0, minSize=(24, 24), maxSize=(24, 24)
    )
    ours = opencv_scan(gray, read_xml(trained))
    assert ours == {(int(x), int(y)) for x, y, _, _ in found}
    assert ours  # an empty set would agree with anything


def test_trained_cascade_tells_faces_from_ground(trained: Path) -> None:
    rng = np.random.default_rng(77)
    cascade = read_xml(trained)
    assert len(cascade.stages) == 3
    fresh = [BoxedPicture("", drawn_face(rng), ((2.0, 2.0, 60.0, 60.0),)) for _ in range(100)]
    views = [draw_view(p.rgb, p.faces[0], WINDOW_PX, Jitter(), rng) for p in fresh]
    faces = np.stack([cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in views])
    ground = rng.integers(0, 256, (300, WINDOW_PX, WINDOW_PX)).astype(np.uint8)
    ground = np.stack([cv2.GaussianBlur(g, (0, 0), 1.5) for g in ground])
    assert cascade.passes(faces).mean() > 0.9
    assert cascade.passes(ground).mean() < 0.3


def test_same_command_goes_on_after_the_last_stage(
    sources: tuple[Path, Path],
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "again.xml"
    train_cascade(tiny_options(sources, out, stages=1))
    halfway = read_xml(out)
    train_cascade(tiny_options(sources, out, stages=2))
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["stages"] == 2
    whole, resumed = read_xml(trained), read_xml(out)
    assert halfway.stages[0].threshold == whole.stages[0].threshold == resumed.stages[0].threshold


def test_codes_by_hand() -> None:
    window = np.zeros((1, WINDOW_PX, WINDOW_PX), np.uint8)
    window[0, 0:2, 0:2] = 10  # top left block of the 2 px feature at the origin
    window[0, 2:4, 4:6] = 7  # right
    window[0, 2:4, 2:4] = 5  # middle
    feature = np.array([[0, 0, 2, 2]], np.int32)
    code = feature_codes(integrals(window), feature)[0, 0]
    assert code == 0b10010000


def test_integrals_survive_the_brightest_window() -> None:
    window = np.full((1, WINDOW_PX, WINDOW_PX), 255, np.uint8)
    window[0, 8:16, 8:16] = 254  # only the middle block of the largest feature is darker
    code = feature_codes(integrals(window), np.array([[0, 0, 8, 8]], np.int32))[0, 0]
    assert code == 0b11111111
    window[0, 8:16, 8:16] = 255
    window[0, 0, 0] = 254
    code = feature_codes(integrals(window), np.array([[0, 0, 8, 8]], np.int32))[0, 0]
    assert code == 0b01111111


def test_every_feature_fits_the_window() -> None:
    features = all_features()
    assert len(features) == 8464
    assert (features[:, 0] + 3 * features[:, 2] <= WINDOW_PX).all()
    assert (features[:, 1] + 3 * features[:, 3] <= WINDOW_PX).all()


def test_stage_keeps_the_held_faces_and_rejects_codes_never_seen() -> None:
    rng = np.random.default_rng(3)
    faces = rng.integers(0, 40, (30, 500)).astype(np.uint8)
    faces[7] = rng.integers(0, 8, 500)
    others = rng.integers(0, 40, (30, 500)).astype(np.uint8)
    goal = StageGoal(min_hit_rate=0.99, max_false_alarm=0.4, max_stumps=20, feature_share=1.0)
    stage, false_alarm = train_stage(faces[:, :400], others, faces[:, 400:], goal, rng)
    assert stage.stumps[0].feature == 7
    assert false_alarm <= 0.4
    assert (stage_sums(stage.stumps, faces[:, 400:]) >= stage.threshold).mean() >= 0.99
    assert stage.stumps[0].subset[200]
    assert stage.stumps[0].left < stage.stumps[0].right


def test_mining_leaves_true_faces_alone() -> None:
    rng = np.random.default_rng(0)
    picture = BoxedPicture("", np.zeros((120, 120, 3), np.uint8), ((0.0, 0.0, 120.0, 120.0),))
    picture.rgb[40:80, 40:80] = 255
    windows = mine(
        Cascade(WINDOW_PX, all_features(), ()), Backgrounds([[picture]], [], rng), 200, 5.0
    )
    assert len(windows) == 200
    corners = np.array([[0.0, 0.0], [60.0, 0.0], [200.0, 200.0]])
    overlap = max_iou(corners, 120, [(0.0, 0.0, 120.0, 120.0)])
    assert overlap == pytest.approx([1.0, 1 / 3, 0.0])


def test_view_is_centred_on_its_box() -> None:
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[50:100, 200:250] = 255
    still = Jitter(0, 0, 0, 0, 0, 0, 64)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        view = draw_view(rgb, (175.0, 25.0, 100.0, 100.0), 32, still, rng)
        bright = np.argwhere(view[..., 0] > view.max() / 2)
        assert bright.mean(axis=0) == pytest.approx([15.5, 15.5], abs=0.6)


@pytest.mark.parametrize("alone", [True, False])
def test_face_views_know_where_the_face_is(alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_views, "redrawn", lambda rgb, box, rng: rgb)
    plain = replace(face_views.FACE_JITTER, occluder_share=0.0, dim_share=0.0)
    monkeypatch.setattr(face_views, "FACE_JITTER", plain)
    monkeypatch.setattr(face_views, "ASTRAY_SHARE", 0.0)
    side = 96 if alone else 300
    rgb = np.zeros((side, side, 3), np.uint8)
    box = (3.0, 3.0, 90.0, 90.0) if alone else (110.0, 90.0, 80.0, 80.0)
    patch = face_patch(BoxedPicture("", rgb, (box,)), box)
    x, y, w, h = (round(v) for v in patch.box)
    patch.rgb[y + h // 2 - 3 : y + h // 2 + 3, x + w // 2 - 3 : x + w // 2 + 3] = 255
    assert patch.alone == alone
    assert box_iou(patch.box, (x, y, w, h)) > 0.9
    for seed in range(40):
        rng = np.random.default_rng(seed)
        view = draw_face(patch, lambda _: np.zeros((64, 64, 3), np.uint8), rng)
        spots = np.argwhere(view.rgb.max(axis=2) == view.rgb.max())
        across, down, _ = view.offset
        place = (np.array([down, across]) + 0.5) * CROP_SIDE_PX - 0.5
        assert spots.mean(axis=0) == pytest.approx(place, abs=1.5)


def test_collages_hold_the_faces_they_say() -> None:
    rng = np.random.default_rng(4)
    crops = [BoxedPicture("", np.full((96, 96, 3), 255, np.uint8), ((3.0, 3.0, 90.0, 90.0),))]
    ground = BoxedPicture("", np.zeros((400, 300, 3), np.uint8), ())
    pasted = 0
    for _ in range(10):
        made = collage(ground, crops, rng)
        bright = made.rgb.max(axis=2) > 100
        for x, y, w, h in made.faces:
            assert bright[round(y + h / 2), round(x + w / 2)]
        pasted += len(made.faces)
        if not made.faces:
            assert not bright.any()
    assert pasted > 5


def test_calibration_scales_the_logit_and_keeps_most_faces() -> None:
    rng = np.random.default_rng(0)
    odds, votes = rng.normal(0, 3, 4000), rng.normal(0, 1, 4000)
    hits = rng.random(4000) < 1 / (1 + np.exp(-odds))
    looks = Looks((odds - votes - 1) / 2, votes, hits, faces=int(hits.sum()), pictures=10)
    gain, bias = calibration(looks)
    assert gain == pytest.approx(2, abs=0.15)
    found, false = share_found(looks, gain, bias)
    assert found == pytest.approx(0.89, abs=0.01)
    cut = np.quantile(odds[hits], 0.11)
    assert false == pytest.approx((~hits & (odds > cut)).sum() / 10, rel=0.1)
    unseen = Looks(looks.logits, votes, hits, faces=2 * int(hits.sum()), pictures=10)
    gain, bias = calibration(unseen)  # the other half has no proposal: keep all there are
    assert share_found(unseen, gain, bias)[0] == pytest.approx(0.5, abs=0.01)


def test_scrambled_faces_keep_their_pixels_but_not_their_order() -> None:
    view = draw_view(
        drawn_face(np.random.default_rng(2)),
        (0.0, 0.0, 64.0, 64.0),
        32,
        Jitter(),
        np.random.default_rng(0),
    )
    for seed in range(20):
        other = scrambled(view, np.random.default_rng(seed))
        assert other.shape == view.shape
        assert other.mean(axis=(0, 1)) == pytest.approx(view.mean(axis=(0, 1)))
        assert (other != view).mean() > 0.05


def test_rejects_are_drawn_however_many_negatives_are_mined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reject = BoxedPicture("", np.full((48, 48, 3), 255, np.uint8), ((0.0, 0.0, 48.0, 48.0),))
    mined = negatives.Sample(BoxedPicture("", np.zeros((60, 60, 3), np.uint8), ()), (9, 9, 30, 30))
    monkeypatch.setattr(negatives, "proposals", lambda cascade, picture: [mined] * 1000)
    source = negatives.NegativeSource([], [], [reject], TrainVerifierOptions(out=Path("x")))
    source.mine(None, 0)
    assert source.pool_size > 2000
    drawn = []

    def recording(rgb: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        drawn.append(rgb is reject.rgb)
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr(negatives, "sampled", recording)
    rng = np.random.default_rng(0)
    for _ in range(400):
        source.draw(rng)
    assert sum(drawn) > 0.2 * 400


def test_malformed_boxes_name_the_row(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("file,x,y,w,h\na.png,1,2,3,4\nb.png,1,two,3,4\n")
    with pytest.raises(UserError, match=r"boxes\.csv:3"):
        read_boxed(tmp_path)


def test_other_files_are_no_cascade(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text("<opencv_storage></opencv_storage>")
    with pytest.raises(UserError, match="not an LBP cascade"):
        read_xml(path)
    with pytest.raises(UserError, match="neither a folder nor a readable zip"):
        read_crops(path)


def test_unreadable_pictures_are_left_out(tmp_path: Path) -> None:
    data = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    for name in ("good.png", "empty.png", "text.png"):
        (tmp_path / name).write_bytes({"good.png": data, "empty.png": b""}.get(name, b"text"))
    (tmp_path / "boxes.csv").write_text("file,x,y,w,h\nempty.png,1,1,2,2\ngood.png,1,1,2,2\n")
    assert [picture.name for picture in read_crops(tmp_path)] == ["good.png"]
    assert [picture.name for picture in read_boxed(tmp_path)] == ["good.png"]
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for name in ("damaged.png", "good.png", "locked.png"):
            archive.writestr(name, data)
    raw = bytearray((tmp_path / "s.zip").read_bytes())
    raw[raw.index(data)] ^= 255  # the check sum of damaged.png
    for mark, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.rindex(mark) + flags_at] |= 1  # locked.png asks for a password
    (tmp_path / "s.zip").write_bytes(raw)
    assert [picture.name for picture in read_crops(tmp_path / "s.zip")] == ["good.png"]
