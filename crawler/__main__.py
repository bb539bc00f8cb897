"""`python -m crawler`: the crawl's commands and the function behind each."""

from avatar_common.commands import Command, main
from crawler.options import FetchOptions, ForgetOptions, PlanOptions, StatusOptions

COMMANDS = {
    "fetch": Command(
        FetchOptions, "crawler.fetch:fetch", "Crawl a booru into data/raw.", resumes=True
    ),
    "plan": Command(PlanOptions, "crawler.plan:plan", "Estimate requests, files, bytes and time."),
    "status": Command(
        StatusOptions, "crawler.status:status", "Count posts by site, state and reason."
    ),
    "forget": Command(ForgetOptions, "crawler.forget:forget", "Remove an artist, post or tag."),
}

if __name__ == "__main__":
    main("crawler", COMMANDS)
