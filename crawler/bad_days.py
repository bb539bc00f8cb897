"""What the failures of a crawl say of its site, not of the files that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from avatar_common.errors import Unavailable
from crawler.arrival import LIKE_OTHERS, PLACEHOLDER, is_passing
from crawler.download import Outcome

FAULTS_IN_A_ROW = 30
# So many final failures, and more than a fifth of the files, are no chance.
FEWEST_TO_DOUBT = 3
FILES_PER_FAILURE = 4
POSTS_OF_A_PLACEHOLDER = 3


class Watch:
    """Follows the outcomes of one site. `corrected` collects what is to be noted anew of some."""

    def __init__(self, site: str, unverified: Callable[[Outcome], list[Outcome]]) -> None:
        """`unverified` gives the other posts to which a file belongs whose md5 nobody knows."""
        self.corrected: list[Outcome] = []
        self._site, self._unverified = site, unverified
        self._failed: dict[int, Outcome] = {}
        self._row: list[Outcome] = []
        self._came = 0
        self._strange: dict[str, list[Outcome]] = {}

    def take(self, outcome: Outcome) -> int:
        """Note an outcome; how many files that had come are taken back. Raises `Unavailable`."""
        taken_back = self._take_placeholder(outcome) if outcome.digest else None
        if outcome.status == "done" and taken_back is None:
            self._failed.pop(outcome.task.post_id, None)
            if outcome.fetched_bytes:
                self._came += 1
                self._row.clear()
        elif outcome.status == "failed" or taken_back is not None:
            outcome = self._failed.setdefault(outcome.task.post_id, outcome)
            self._row.append(outcome)
            if len(self._row) >= FAULTS_IN_A_ROW:
                self._doubt([self._failed[other.task.post_id] for other in self._row])
                raise Unavailable(
                    f"{len(self._row)} files in a row did not come, the last with: "
                    f"{outcome.reason}" + (f" ({outcome.words})" if outcome.words else ""),
                    where=self._site,
                    hint="run the same command later; it asks for them again",
                )
        return taken_back or 0

    def end(self) -> None:
        """Doubt the final failures of a crawl that has too many.

        Raises `Unavailable` for files that the next run will ask for again.
        """
        final = [outcome for outcome in self._failed.values() if not is_passing(outcome.reason)]
        if FILES_PER_FAILURE * len(final) > self._came:
            self._doubt(final)
        reasons = self.missing()
        if not reasons:
            return
        words = next((outcome.words for outcome in self._failed.values() if outcome.words), "")
        listed = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(5))
        raise Unavailable(
            f"{reasons.total()} files did not come: {listed}" + (f" ({words!r})" if words else ""),
            where=self._site,
            hint="the same command asks for them again",
        )

    def missing(self) -> Counter[str]:
        """By their reasons, the files that the next run will ask for again."""
        reasons = (outcome.reason or "" for outcome in self._failed.values())
        return Counter(reason for reason in reasons if is_passing(reason))

    def _doubt(self, outcomes: list[Outcome]) -> None:
        final = [outcome for outcome in outcomes if not is_passing(outcome.reason)]
        for outcome in final if len(outcomes) >= FEWEST_TO_DOUBT else []:
            self._correct(replace(outcome, reason=f"{outcome.reason}{LIKE_OTHERS}"))

    def _correct(self, outcome: Outcome) -> None:
        self.corrected.append(outcome)
        self._failed[outcome.task.post_id] = outcome

    def _take_placeholder(self, outcome: Outcome) -> int | None:
        """Where one picture came for posts of several md5s, it is none of theirs: fail them all.

        How many files are taken back; None when it is no such picture. Of a smaller variant it
        takes more posts, since copies of a picture have one.
        """
        known = self._strange.get(outcome.digest)
        if known is None:
            known = self._strange[outcome.digest] = self._unverified(outcome)
        known.append(outcome)
        posts = len({other.task.md5 for other in known})
        if posts < (POSTS_OF_A_PLACEHOLDER if outcome.file else 2):
            return None
        taken_back = sum(other.status == "done" and other.fetched_bytes > 0 for other in known)
        for other in known:
            self._correct(Outcome(other.task, "failed", PLACEHOLDER, digest=other.digest))
        known[:] = [self._failed[other.task.post_id] for other in known]
        return taken_back
