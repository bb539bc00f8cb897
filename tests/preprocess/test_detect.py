"""The detector: geometry by hand, the shipped models on drawn characters, a verifier retrained."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_common.errors import UserError
from bench.faces import hits, score_picture, summary
from demo.crowd import draw_post
from preprocess.boxes import TrueFace, read_boxes
from preprocess.detect import (
    CROP_SIDE_PX,
    SHIPPED_VERIFIER,
    DetectorConfig,
    Face,
    FaceDetector,
    Verifier,
    box_iou,
    merge_overlaps,
    moved_boxes,
    square_crop,
)
from tests.shared_data import shared_data


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(DetectorConfig())


def read_picture(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def post_picture(index: int) -> tuple[np.ndarray, list[TrueFace]]:
    post = draw_post(index, seed=4242)
    bgr = cv2.imdecode(np.frombuffer(post.data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    faces = [TrueFace(c.face_xywh, "front") for c in post.characters]
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), faces


def test_drawn_characters_are_found(detector: FaceDetector) -> None:
    faces = found = false = 0
    for index in range(12):
        picture, truth = post_picture(index)
        score = score_picture(detector.detect(picture), truth)
        faces, found = faces + len(truth), found + sum(score.found)
        false += len(score.false)
    assert found >= 0.98 * faces
    assert false == 0


@pytest.mark.parametrize(
    ("name", "least_found", "most_false"), [("full", 43, 0), ("cc", 38, 2), ("frames", 26, 1)]
)
def test_real_pictures(
    detector: FaceDetector, name: str, least_found: int, most_false: int
) -> None:
    folder = shared_data(f"pictures/{name}")
    truth = read_boxes(folder / "boxes.csv")
    scores = {}
    for file, faces in truth.items():
        rgb = cv2.cvtColor(read_picture(folder / file), cv2.COLOR_BGR2RGB)
        scores[file] = score_picture(detector.detect(rgb), faces)
    counts = summary(truth, scores)
    assert counts["recall"] * counts["boxes"] >= least_found - 0.5
    assert counts["false_positives"] <= most_false


def test_boxes_are_in_source_pixels_at_any_size(detector: FaceDetector) -> None:
    picture, truth = post_picture(3)
    face = truth[0].box
    for factor in (0.5, 2.0):
        scaled = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        best = detector.detect(scaled)[0]
        x, y, w, h = (v * factor for v in face)
        assert hits(best.box_xywh, (x, y, w, h))
        assert 0.5 <= best.score <= 1


def test_gray_pictures_work_too(detector: FaceDetector) -> None:
    picture, truth = post_picture(3)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert any(hits(f.box_xywh, truth[0].box) for f in detector.detect(gray))


def test_same_picture_same_faces(detector: FaceDetector) -> None:
    picture, _ = post_picture(5)
    again = FaceDetector(pickle.loads(pickle.dumps(detector.config)))
    assert detector.detect(picture) == again.detect(picture)


def test_a_turned_head_needs_a_rotated_pass() -> None:
    picture, truth = post_picture(3)
    x, y, w, h = truth[0].box
    centre = (x + w / 2, y + h / 2)
    turn = cv2.getRotationMatrix2D(centre, 90, 1.0)
    turned = cv2.warpAffine(picture, turn, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    for rotations_deg, is_found in (((), False), ((-90.0,), True)):
        faces = FaceDetector(DetectorConfig(rotations_deg=rotations_deg)).detect(turned)
        assert any(hits(f.box_xywh, (x, y, w, h)) for f in faces) == is_found


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (30, 30), (24, 24, 3)])
def test_tiny_and_thin_pictures_have_no_faces(
    detector: FaceDetector, shape: tuple[int, ...]
) -> None:
    assert detector.detect(np.full(shape, 128, np.uint8)) == []


def test_merging_keeps_the_best_of_one_face() -> None:
    best = Face((10, 10, 40, 40), 0.9)
    shifted = Face((14, 12, 40, 40), 0.8)
    inside = Face((22, 22, 16, 16), 0.85)
    apart = Face((60, 10, 40, 40), 0.7)
    assert merge_overlaps([apart, shifted, inside, best]) == [best, apart]


def test_overlap_by_hand() -> None:
    assert box_iou((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (10, 0, 10, 10)) == 0


@pytest.mark.parametrize("side", [20.0, 64.0, 150.0, 400.0])
def test_crops_are_centred(side: float) -> None:
    rgb = np.zeros((500, 500, 3), np.uint8)
    half = int(side / 4)
    rgb[250 - half : 250 + half, 220 - half : 220 + half] = 255
    crop = square_crop(rgb, 220, 250, side)[..., 0].astype(float)
    rows, columns = np.mgrid[:CROP_SIDE_PX, :CROP_SIDE_PX]
    middle = (CROP_SIDE_PX - 1) / 2
    assert (crop * columns).sum() / crop.sum() == pytest.approx(middle, abs=0.35)
    assert (crop * rows).sum() / crop.sum() == pytest.approx(middle, abs=0.35)


def test_missing_or_wrong_models_are_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "x.xml"
    wrong.write_text("hello")
    for path in (wrong, tmp_path / "absent.xml"):
        with pytest.raises(UserError):
            FaceDetector(DetectorConfig(cascade=path))
        with pytest.raises(UserError):
            Verifier(path)


def test_shipped_verifier_is_small() -> None:
    assert SHIPPED_VERIFIER.stat().st_size <= 200_000


def test_boxes_move_by_the_networks_offsets() -> None:
    boxes = np.array([[10.0, 20.0, 40.0, 40.0]])
    moved = moved_boxes(boxes, np.array([[0.25, -0.1, np.log(0.6)]]))
    assert moved[0] == pytest.approx([28, 24, 24, 24])
    far = moved_boxes(boxes, np.array([[9.0, 0.0, 9.0]]))
    assert far[0, 0] + far[0, 2] / 2 == pytest.approx(30 + 0.4 * 40)
    assert far[0, 2] == pytest.approx(1.8 * 40)


def test_a_box_off_its_face_is_moved_onto_it(detector: FaceDetector) -> None:
    verifier = Verifier(SHIPPED_VERIFIER)
    picture, truth = post_picture(3)
    x, y, w, h = truth[0].box
    [seen] = detector.sightings(picture)
    for shift_x, shift_y, growth in ((0.15, 0, 1), (-0.1, 0.1, 1.2), (0, -0.1, 0.85)):
        side = 1.24 * w * growth
        cx, cy = x + w * (0.5 + shift_x), y + h * (0.62 + shift_y)
        _, boxes, logits = verifier.verify(
            picture, np.array([[cx - side / 2, cy - side / 2, side, side]])
        )
        assert replace(seen, logit=float(logits[0])).log_odds > 0
        found = boxes[0, :2] + boxes[0, 2:] / 2
        assert found == pytest.approx([x + 0.5 * w, y + 0.62 * h], abs=0.09 * w)
        assert boxes[0, 2] == pytest.approx(1.24 * w, rel=0.15)


def test_hit_rule_by_hand() -> None:
    face = (100.0, 100.0, 40.0, 40.0)
    assert hits((90, 90, 60, 60), face)
    assert hits((100 + 10, 100, 40, 40), face)
    assert not hits((100 + 11, 100, 40, 40), face)
    assert not hits((120 - 45, 120 - 45, 90, 90), face)
    assert not hits((120 - 13, 120 - 13, 26, 26), face)


def test_score_counts_others_as_neither(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text(
        "file,x,y,w,h,kind\na.png,0,0,20,20,front\na.png,50,0,20,20,other\nb.png,,,,,\n"
        "c.png,0,0,20,20,profile\n"
    )
    truth = read_boxes(table)
    seen = {
        "a.png": [Face((0, 0, 20, 20), 0.9), Face((50, 0, 20, 20), 0.9)],
        "b.png": [Face((0, 0, 20, 20), 0.9)],
        "c.png": [],
    }
    scores = {name: score_picture(seen[name], faces) for name, faces in truth.items()}
    assert summary(truth, scores) == {
        "recall": 0.5,
        "front_recall": 1.0,
        "false_positives": 1,
        "pictures": 3,
        "boxes": 2,
    }


def toy_face(picture: np.ndarray) -> None:
    """Draw hair, head, eyes and mouth, plain to see, over a picture uint8 [48, 48, 3]."""
    picture[:] = (235, 235, 225)
    cv2.ellipse(picture, (24, 26), (19, 21), 0, 0, 360, (190, 215, 250), -1)
    picture[:14] = (40, 60, 200)
    for x in (15, 33):
        cv2.ellipse(picture, (x, 20), (4, 6), 0, 0, 360, (120, 20, 20), -1)
    cv2.ellipse(picture, (24, 36), (8, 4), 0, 0, 180, (30, 30, 160), -1)


@pytest.mark.slow
def test_verifier_learns_from_keep_and_reject(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from preprocess.detector_training.network import VerifierNet, read_onnx, write_onnx
    from preprocess.detector_training.options import TrainVerifierOptions
    from preprocess.detector_training.verifier import net_answers, train_verifier

    rng = np.random.default_rng(0)
    for folder in ("keep", "reject"):
        (tmp_path / folder).mkdir()
        for i in range(40):
            picture = rng.integers(60, 100, (48, 48, 3)).astype(np.uint8)
            if folder == "keep":
                toy_face(picture)
            cv2.imwrite(str(tmp_path / folder / f"{i}.png"), picture)
    out = tmp_path / "verifier.onnx"
    train_verifier(
        TrainVerifierOptions(
            out=out,
            keep=(tmp_path / "keep",),
            reject=(tmp_path / "reject",),
            samples=16_000,
            batch=32,
            quiet=True,
        )
    )
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured["held_faces_kept"] > 0.9
    assert measured["negatives_kept"] < 0.1
    net = read_onnx(out)
    for folder, wanted in (("keep", True), ("reject", False)):
        plain = [read_picture(p) for p in sorted((tmp_path / folder).iterdir())]
        views = [cv2.resize(p, (CROP_SIDE_PX, CROP_SIDE_PX)) for p in plain]
        assert ((net_answers(net, views)[:, 0] > 0) == wanted).mean() > 0.9
    crops = torch.randint(0, 256, (3, 3, CROP_SIDE_PX, CROP_SIDE_PX)).float()
    opencv = cv2.dnn.readNetFromONNX(str(out))
    opencv.setInput(crops.numpy())
    with torch.inference_mode():
        assert np.allclose(opencv.forward(), net.eval()(crops).numpy(), atol=1e-3)
    # Normalised and fused forms agree up to the half-precision weights of the file.
    fresh = VerifierNet().eval()
    write_onnx(fresh, out)
    with torch.inference_mode():
        assert np.allclose(read_onnx(out).eval()(crops), fresh(crops), atol=2e-2)
