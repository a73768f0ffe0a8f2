"""Requests drawn from the description name a model that exists, every second time: the others stop at the name."""
import json
import zlib

import schemathesis


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and "model" in body and draws(body) % 2:
        return {**body, "model": "fast"}
    return body


@schemathesis.hook
def map_query(context, query):
    if isinstance(query, dict) and "model" in query and draws(query) % 2:
        return {**query, "model": "fast"}
    return query


def draws(value):
    """A number that is the same for the same value in every run."""
    return zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode())
