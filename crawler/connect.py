"""A client for a site, as the options want it."""

from __future__ import annotations

import logging

from crawler.addresses import AddressGuard
from crawler.client import Client
from crawler.options import QueryOptions
from crawler.politeness import contact_of, user_agent
from crawler.queries import Query

log = logging.getLogger(__name__)


def client_for(query: Query, options: QueryOptions, agent: str, connections: int = 1) -> Client:
    """The HTTP client for one site, with the limits that the options ask for."""
    return Client(
        AddressGuard(query.root),
        agent,
        rate=options.rate,
        file_rate=2 * options.rate if options.file_rate is None else options.file_rate,
        connections=connections,
        timeout_s=options.timeout,
        retries=options.retries,
        retry_wait_s=options.retry_wait,
    )


def contact_for(options: QueryOptions, queries: list[Query]) -> str:
    """The User-Agent with the user's contact; asks for one when real sites are to be crawled."""
    contact = contact_of(options.contact)
    if contact is None and any(query.root.startswith("https:") for query in queries):
        log.warning(
            "sites ask crawlers to say whom to reach: set --contact or $AVATAR_CONTACT to your "
            "mail or web address"
        )
    return user_agent(contact)
