"""`python -m eval watch`: score each new snapshot of a run while it trains."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from acgan.devices import choose_device
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.runs import RunFolder, read_snapshot_info
from avatar_common.disk.scores import SCORES_FILE, read_rows
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from eval.metric import Plan
from eval.options import WatchOptions
from eval.report import score_snapshot
from eval.sources import find_sources

log = logging.getLogger(__name__)


def watch(options: WatchOptions) -> None:
    """Quick scores, oldest snapshot first; one JSON object per line on stdout, until Ctrl-C."""
    run = options.run or Workspace(options.workspace).newest_run()
    if not run.is_dir():
        raise UserError("no such run", where=str(run))
    if options.dry_run:
        explain_dry_run(options, [f"score the snapshots of {run} that have no score yet"])
        return
    device = choose_device(options.device, options.threads)
    plan = Plan(options.count, options.seed, "quick")
    while True:
        for path in unscored(run, plan):
            sources = find_sources(options.workspace, path, options.data)
            content = score_snapshot(sources, plan, device, quiet=options.quiet)
            emit_json(
                {key: content[key] for key in ("snapshot", "kimg", "n", "summary", "verdicts")}
            )
            for verdict in content["verdicts"]:
                log.info("%s at %g kimg: %s", verdict["severity"], content["kimg"], verdict["text"])
        if options.once:
            return
        time.sleep(options.interval_s)


def unscored(run: Path, plan: Plan) -> list[Path]:
    """The snapshots of a run without a row of this count and seed in metrics.jsonl."""
    scored = {
        row["snapshot_hash"]
        for row in read_rows(run / SCORES_FILE)
        if (row["n"], row["seed"]) == (plan.count, plan.seed)
    }
    return [
        path
        for path in RunFolder(run).snapshots()
        if read_snapshot_info(path).weights_sha256 not in scored
    ]
