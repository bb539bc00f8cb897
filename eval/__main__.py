"""`python -m eval`: honest numbers on how good a snapshot is."""

from avatar_common.commands import Command, main
from eval.options import (
    ClassifierOptions,
    CompareOptions,
    PeopleOptions,
    RealnessOptions,
    ReportOptions,
    WatchOptions,
)

COMMANDS = {
    "report": Command(
        ReportOptions, "eval.report:report", "Score a snapshot; write report.html, metrics.jsonl."
    ),
    "classifier": Command(
        ClassifierOptions,
        "eval.trained_classifier:train_only",
        "Train and cache the classifier only.",
    ),
    "realness": Command(
        RealnessOptions,
        "eval.student:realness",
        "Fit the net that chooses the best draws.",
    ),
    "people": Command(
        PeopleOptions, "eval.people:people", "A test for people: real or drawn, A or B."
    ),
    "compare": Command(CompareOptions, "eval.compare:compare", "Runs side by side."),
    "watch": Command(WatchOptions, "eval.watch:watch", "Score new snapshots while a run trains."),
}

if __name__ == "__main__":
    main("eval", COMMANDS)
