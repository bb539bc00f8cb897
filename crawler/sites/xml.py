"""XML listings, read without entities, network or huge trees."""

from __future__ import annotations

from lxml import etree

from crawler import fields
from crawler.records import BadAnswer


def read_xml(body: bytes) -> etree._Element:
    """The root element. Raises `BadAnswer` naming what came instead."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise BadAnswer(fields.what_is(body)) from None


def rows_of(root: etree._Element) -> list[dict[str, str]]:
    """The children as mappings; their fields are attributes or, in other versions, elements."""
    rows = []
    for child in root:
        if not isinstance(child.tag, str):
            continue
        row = {str(name): str(value) for name, value in child.attrib.items()}
        for field in child:
            if isinstance(field.tag, str) and field.text is not None:
                row.setdefault(field.tag.replace("-", "_"), field.text)
        rows.append(row)
    return rows
