"""dsq cache: where what was measured of images is kept, how much it is; clear it."""

from __future__ import annotations

import json

import click

from dsq.cli.options import emit
from dsq.errors import WriteError
from dsq.printing import printable


@click.command("cache")
@click.option("--clear", is_flag=True, help="Forget everything.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
def command(clear: bool, as_json: bool) -> int:
    """Say where the cache lies, how large it is and what is in it.

    DSQ_CACHE_DIR names another folder for it.
    """
    from dsq.measure.store import cache_folder, clear_cache, describe_cache, folder_fault
    from dsq.production.video import clear_frames, count_frames

    if fault := folder_fault(cache_folder()):
        hint = "Set DSQ_CACHE_DIR to a folder of your own."
        raise WriteError(f"the cache cannot be used: {fault}.", where=str(cache_folder()), hint=hint)
    if clear:
        clear_cache()
        clear_frames()
    state = describe_cache()
    frames, size = count_frames()
    if frames:
        state = state._replace(bytes=state.bytes + size, entries={**state.entries, "frames of videos": frames})
    if as_json:
        emit(json.dumps(state._asdict(), indent=1, ensure_ascii=False), None, False)
        return 0
    lines = [f"{state.path}: {state.bytes / 1e6:,.1f} MB{', cleared' if clear else ''}"]
    if state.fault:
        lines.append(f"It is not used: {state.fault}.")
    width = max(map(len, state.entries), default=0)
    lines += [f"  {kind:<{width}}  {count:>9,}" for kind, count in state.entries.items()]
    emit("\n".join(map(printable, lines)), None, False)
    return 0
