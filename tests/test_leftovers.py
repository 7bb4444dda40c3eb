"""What another format loses beside the tables."""

from __future__ import annotations

import numpy as np
import pytest

from dsq.formats.leftovers import count_extras, says_more
from dsq.formats.voc.xml import STAMP


def test_what_tools_fill_in_unasked_is_no_loss() -> None:
    source = f"<source><database>Unknown</database><annotation>{STAMP}1 unsaid=difficult</annotation></source>"
    filled = f"<folder>a</folder><path>/x/a.jpg</path>{source}<size><depth>3</depth></size><segmented>0</segmented>"
    blobs = [None, filled.encode(), b"<pose>Unspecified</pose>", b"<pose>Left</pose>", b"<owner/>", b'{"id":1}', None]
    assert count_extras(np.array(blobs, object)) == 3
    assert count_extras(np.empty(0, object)) == 0


@pytest.mark.parametrize(
    ("name", "raw", "more"),
    [
        ("a.json", b'{"images": [], "categories": [1]}', False),
        ("a.json", b'{"info": {}, "licenses": []}', False),
        ("a.json", b'{"info": {"year": 2017}}', True),
        ("data.yaml", b"path: .\nnames:\n  0: cat\nnc: 1\n", False),
        ("data.yaml", b"names: [cat]\nroboflow:\n  license: MIT\n", True),
        ("labelmap.txt", b"cat:::", False),
    ],
)
def test_documents_that_say_more(name: str, raw: bytes, more: bool) -> None:
    assert says_more(name, raw) is more
