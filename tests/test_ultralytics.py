"""The trainer's own label check takes every YOLO set that we write, without dropping an image."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import dsq
from dsq.conversion import convert

pytestmark = pytest.mark.filterwarnings("default")
SAMPLES = Path(__file__).resolve().parent.parent / "sample_datasets"


@pytest.fixture(scope="module")
def utils(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Ultralytics' dataset checks, told to stay off the network and to install nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("settings")))
        for name, value in (("YOLO_OFFLINE", "1"), ("YOLO_AUTOINSTALL", "0"), ("YOLO_VERBOSE", "0")):
            patch.setenv(name, value)
        module: ModuleType = pytest.importorskip("ultralytics.data.utils", exc_type=ImportError)
    return module


def check(utils: ModuleType, source: Path, out: Path, task: str) -> None:
    """Convert to YOLO and have every image and label verified."""
    convert(source, out, to="yolo", task=task)
    found = utils.check_det_dataset(str(out / "data.yaml"), autodownload=False)
    images = sorted(str(path) for path in (out / "images").rglob("*.*"))
    readable = {str(out / name) for name in _readable(out)}
    assert images
    for image in images:
        label = Path(utils.img2label_paths([image])[0])
        result = utils.verify_image_label((image, str(label), "", False, found["nc"], 0, 0, False))
        if image not in readable:
            assert result[0] is None  # no label makes a broken picture whole
            continue
        assert result[0] is not None, result[-1]
        rows = len(label.read_text("utf-8").splitlines()) if label.exists() else 0
        assert "duplicate" in result[-1] or len(result[1]) == rows


def _readable(out: Path) -> list[str]:
    """Images of the set whose header can be read and whose sides the trainer does not find too small."""
    data = dsq.read(out)
    assert data.headers is not None
    good = data.headers[(data.headers["error"] == "") & (data.headers[["width", "height"]].min(axis=1) >= 10)]
    files: list[str] = data.images.set_index("image_id").loc[good["image_id"], "file"].tolist()
    return files


@pytest.mark.parametrize("task", ["detect", "segment"])
@pytest.mark.parametrize("name", ["clean-coco", "clean-voc", "potholes-coco", "potholes-voc", "crowd-everywhere-coco"])
def test_samples(utils: ModuleType, tmp_path: Path, name: str, task: str) -> None:
    check(utils, SAMPLES / f"{name}.zip", tmp_path / "out", task)


@pytest.mark.parametrize("task", ["detect", "segment"])
@pytest.mark.parametrize("name", ["coco-tiny", "traffic-ground", "raccoon", "bccd", "odd/sahi-terrain-coco"])
def test_real_sets(utils: ModuleType, shared_data: Path, tmp_path: Path, name: str, task: str) -> None:
    check(utils, shared_data / name, tmp_path / "out", task)


@pytest.mark.parametrize("name", ["ships-yolov8", "pen-zip", "odd/datumaro-roboflow-yolo"])
def test_a_yolo_set_that_is_copied_names_its_own_folders(
    utils: ModuleType, shared_data: Path, tmp_path: Path, name: str
) -> None:
    for stray in ("train", "valid"):  # what the source's `../train/images` would lead to from here
        (tmp_path / stray / "images").mkdir(parents=True)
    convert(shared_data / name, tmp_path / "out", to="yolo")
    found = utils.check_det_dataset(str(tmp_path / "out" / "data.yaml"), autodownload=False)
    for split in ("train", "val"):
        folder = Path(found[split])
        assert (tmp_path / "out") in folder.parents and any(folder.iterdir())
