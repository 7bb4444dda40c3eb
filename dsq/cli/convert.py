"""dsq convert: read a dataset and write it in another format."""

from __future__ import annotations

from typing import Any

import click

from dsq.cli.options import Progress, read_source, reading_options, tell_unproven, write_dataset, writing_options


@click.command("convert")
@reading_options
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(src: str, quiet: bool, **options: Any) -> None:
    """Write SRC as VOC, COCO or YOLO, to a folder or a .zip; what the target cannot hold is listed."""
    names = ("format_", "image_root", "voc_offset", "no_label_file")
    progress = Progress(quiet)
    dataset = read_source(src, progress, **{name: options.pop(name) for name in names})
    unproven = 0
    in_pixels = options["to"] in ("coco", "voc")  # fractions become pixels of one frame
    if in_pixels and dataset.about.format == "yolo" and dataset.headers is not None:
        from dsq.transform.resize import count_unproven

        unproven = count_unproven(dataset, dataset.headers)
    facts = {"box_frame_unproven": unproven}
    write_dataset(dataset, progress=progress, said=tell_unproven(unproven), facts=facts, **options)
