"""Samples of production: videos as frames, and what to label next."""

from __future__ import annotations

import builtins
import csv
import io
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from pictures import draw, encode, make_folder, make_zip, put
from PIL import Image

import dsq
from dsq.cli import group
from dsq.errors import ConfigError, ReadError, WriteError
from dsq.production import video
from dsq.production.picking import APART, pick
from dsq.production.sample import read_sample
from dsq.production.writing import write_picked


def film(path: Path, frames: int, *, codec: str = "mpeg4", size: tuple[int, int] = (96, 64), every: int = 12) -> Path:
    """A video whose grey tells the number of its frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": str(every)})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            level = round(20 + 200 * number / max(1, frames - 1))
            picture = np.full((size[1], size[0], 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def levels(data: dsq.Dataset) -> list[float]:
    """Mean grey of each image."""
    return [
        float(np.asarray(Image.open(Path(image.root) / image.member).convert("L")).mean())
        for image in data.images.itertuples()
    ]


class TestVideo:
    @pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".MOV"])
    def test_frames_are_images(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"dash cam{suffix}"
        film(path.with_suffix(suffix.lower()), 30).rename(path)
        data = read_sample(path)
        assert len(data) == 30 and (data.images["label_state"] == "unlabelled").all()
        assert data.images["file"].iloc[3] == "dash_cam_000003.jpg"
        assert set(data.images["width"]) == {96} and data.about.why == ("a video: 30 frames of it",)
        assert np.diff(levels(data)).min() > 3

    def test_long_videos_are_sampled_evenly(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(video, "FRAMES", 10)
        data = read_sample(film(tmp_path / "a.mp4", 100))
        assert data.images["file"].tolist() == [f"a_{number:06}.jpg" for number in range(5, 100, 10)]

    def test_very_long_ones_by_their_key_frames(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(video, "FRAMES", 10)
        monkeypatch.setattr(video, "MOST_DECODED", 100)
        monkeypatch.setattr(video, "LEAST_KEYS", 20)
        data = read_sample(film(tmp_path / "a.mp4", 300, every=10))
        seen = levels(data)
        assert len(seen) == 10 and np.diff(seen).min() > 8 and seen[-1] > 190

    def test_frames_are_decoded_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = film(tmp_path / "a.mp4", 20)
        first = read_sample(path)
        assert video.count_frames()[0] >= 20
        monkeypatch.setattr(video, "_write_frames", lambda *a: pytest.fail("decoded again"))
        assert read_sample(path).images.equals(first.images)
        monkeypatch.undo()
        film(path, 25)
        os.utime(path, ns=(1, 10**18))
        assert len(read_sample(path)) == 25

    def test_without_a_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DSQ_CACHE_DIR", str(tmp_path / "cache"))
        assert len(read_sample(film(tmp_path / "a.mp4", 12), cache=False)) == 12
        assert not (tmp_path / "cache").exists()

    def test_the_cache_is_told_and_cleared(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DSQ_CACHE_DIR", str(tmp_path / "cache"))
        read_sample(film(tmp_path / "a.mp4", 12))
        assert "frames of videos" in CliRunner().invoke(group, ["cache"]).output
        CliRunner().invoke(group, ["cache", "--clear"])
        assert video.count_frames() == (0, 0)

    @pytest.mark.parametrize("length", [0, 3, 500, -200])
    def test_broken_ones_are_told(self, tmp_path: Path, length: int) -> None:
        data = film(tmp_path / "a.mp4", 30).read_bytes()
        path = tmp_path / "b.mp4"
        path.write_bytes(data[:length] if length >= 0 else b"\0" * 4000)
        with pytest.raises(ReadError) as caught:
            read_sample(path)
        assert "b.mp4" in str(caught.value)

    def test_a_damaged_stretch_costs_its_frames_alone(self, tmp_path: Path) -> None:
        path = film(tmp_path / "a.avi", 40, codec="mjpeg")
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 900] = bytes(900)
        path.write_bytes(data)
        assert 15 <= len(read_sample(path)) <= 40

    def test_sound_alone_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            stream.layout = "mono"
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.rate = 8000
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        with pytest.raises(ReadError, match="holds no video"):
            read_sample(path)

    def test_without_pyav_the_extra_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = film(tmp_path / "a.mp4", 5)
        true_import = builtins.__import__

        def refuse(name: str, *more: Any, **named: Any) -> Any:
            if name == "av":
                raise ImportError(name)
            return true_import(name, *more, **named)

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(ConfigError, match=r"dsq-toolkit\[video\]"):
            read_sample(path)

    def test_as_a_sample_of_an_audit(self, tmp_path: Path) -> None:
        make_folder(tmp_path / "train", 40)
        path = film(tmp_path / "a.mp4", 30)
        report = dsq.audit(tmp_path / "train", production=path, select=["domain-gap"])
        assert len(report.messages()) == 1


@pytest.fixture
def sets(tmp_path: Path) -> tuple[dsq.Dataset, dsq.Dataset]:
    """Blobs to train on; in production the same, thrice each, and white frames with a bar."""
    make_folder(tmp_path / "train", 40)
    for number in range(8):
        for again in range(3):
            put(tmp_path / "new" / f"same_{number}_{again}.jpg", encode(draw(number), quality=80))
    for number in range(6):
        picture = Image.new("RGB", (96, 72), (250, 250, 250))
        picture.paste((30 * number, 20, 200 - 30 * number), (8 * number, 0, 8 * number + 30, 72))
        put(tmp_path / "new" / "odd" / f"bar_{number}.jpg", encode(picture))
    return dsq.read(tmp_path / "train"), dsq.read(tmp_path / "new")


class TestPick:
    def test_least_covered_first_and_none_like_another(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        picked = pick(*sets, 50)
        files = picked.to_label["file"].tolist()
        assert all(file.startswith("odd/bar_") for file in files[:3])
        assert picked.compared == 30 and picked.uncovered == 6
        same = [file.rpartition("_")[0] for file in files if file.startswith("same")]
        assert len(same) == len(set(same))
        assert (picked.to_label["distance"].iloc[:3] > 1).all()
        assert picked.to_label["why"].iloc[0] in ("no near neighbour in training", "nothing like it in training")

    def test_training_images_nearest_first(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        nearest = pick(*sets, 8).nearest_training
        assert set(nearest["file"]) == {f"{number:04}.jpg" for number in range(8)}
        assert nearest["distance"].is_monotonic_increasing and nearest["distance"].iloc[-1] < APART

    def test_order_of_rows_does_not_matter(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        turned = [data.replace(images=data.images.iloc[::-1].reset_index(drop=True)) for data in sets]
        one, other = pick(*sets, 10), pick(*turned, 10)
        assert one.to_label.drop(columns="row").equals(other.to_label.drop(columns="row"))

    def test_the_count_bounds(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        picked = pick(*sets, 2)
        assert len(picked.to_label) == 2 and len(picked.nearest_training) == 2
        with pytest.raises(ConfigError):
            pick(*sets, 0)

    def test_sets_without_pictures(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        for pair in ((sets[0], dsq.build_dataset(images=["a.jpg"])), (dsq.build_dataset(), sets[1])):
            with pytest.raises(ReadError, match="no image that can be decoded"):
                pick(*pair)

    def test_one_training_image(self, sets: tuple[dsq.Dataset, dsq.Dataset]) -> None:
        train = sets[0].replace(images=sets[0].images.head(1))
        assert len(pick(train, sets[1], 5).to_label) == 5


class TestWriting:
    def test_everything_is_there(self, sets: tuple[dsq.Dataset, dsq.Dataset], tmp_path: Path) -> None:
        out = tmp_path / "out"
        names = write_picked(pick(*sets, 5), *sets, out)
        assert sorted(os.listdir(out)) == ["nearest_training.jpg", "pick.csv", "to_label", "to_label.jpg"]
        assert sorted(os.listdir(out / "to_label")) == sorted(names) and len(names) == 5
        rows = list(csv.DictReader(io.StringIO((out / "pick.csv").read_text("utf-8"))))
        assert [row["file"] for row in rows] == [f"to_label/{name}" for name in names]
        for row in rows:
            original = tmp_path / "new" / row["production_file"]
            assert (out / row["file"]).read_bytes() == original.read_bytes()
            assert (tmp_path / "train" / row["nearest_training"]).is_file()
        for name in ("to_label.jpg", "nearest_training.jpg"):
            with Image.open(out / name) as sheet:
                assert sheet.width > 1000 and sheet.height > 200

    def test_the_same_twice(self, sets: tuple[dsq.Dataset, dsq.Dataset], tmp_path: Path) -> None:
        for name in ("one.zip", "two.zip"):
            write_picked(pick(*sets, 5), *sets, tmp_path / name)
        assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()

    def test_two_files_of_one_name(self, tmp_path: Path) -> None:
        make_folder(tmp_path / "train", 12)
        for number in range(6):
            put(tmp_path / "new" / str(number) / "frame.jpg", encode(draw(100 + number)))
        sets = dsq.read(tmp_path / "train"), dsq.read(tmp_path / "new")
        names = write_picked(pick(*sets, 3), *sets, tmp_path / "out")
        assert len(set(names)) == 3 and all(name.endswith("_frame.jpg") for name in names)

    def test_what_is_there_is_not_replaced_unasked(self, sets: tuple[dsq.Dataset, dsq.Dataset], tmp_path: Path) -> None:
        picked = pick(*sets, 2)
        write_picked(picked, *sets, tmp_path / "out")
        with pytest.raises(WriteError, match="is there already"):
            write_picked(picked, *sets, tmp_path / "out")
        write_picked(picked, *sets, tmp_path / "out", overwrite=True)
        put(tmp_path / "mine" / "notes.txt", b"mine")
        with pytest.raises(WriteError, match="no pick"):
            write_picked(picked, *sets, tmp_path / "mine", overwrite=True)
        for source in ("train", "new", "train/inside", "."):
            with pytest.raises(WriteError):
                write_picked(picked, *sets, tmp_path / source, overwrite=True)
        assert (tmp_path / "mine" / "notes.txt").read_bytes() == b"mine"

    def test_all_or_nothing(
        self, sets: tuple[dsq.Dataset, dsq.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> bytes:
            raise RuntimeError("in the middle")

        monkeypatch.setattr("dsq.production.writing.draw_sheet", fail)
        with pytest.raises(RuntimeError):
            write_picked(pick(*sets, 2), *sets, tmp_path / "out")
        assert sorted(os.listdir(tmp_path)) == ["new", "train"]

    def test_at_the_command_line(self, sets: tuple[dsq.Dataset, dsq.Dataset], tmp_path: Path) -> None:
        sample = make_zip(tmp_path / "new.zip", tmp_path / "new")
        out = tmp_path / "out"
        options = ["pick", str(tmp_path / "train"), "--production", str(sample), "-n", "4", "-o", str(out)]
        found = CliRunner().invoke(group, options)
        assert found.exit_code == 0, found.output
        assert "6 of 30 production images have no near neighbour" in found.output
        assert len(os.listdir(out / "to_label")) == 4
