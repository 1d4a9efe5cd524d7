from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from servers import ScriptedFeed, ServerProcess, running_server

from bench.serving import openapi
from bench.serving.chassis import Chassis
from bench.serving.config import HEAD_LINE_BYTES, MESSAGE_BYTES, TARGET_BYTES, Address, Limits, ServerConfig
from bench.uplink.message import BY_HAND, Message
from bench.wire.contract import OF_MESSAGES, REFUSALS, Status

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance, unsupported_method,
]
EXAMPLES = 60
OPTIONS = {"short_polling": {}, "long_polling": {"hold_s": 0.05}}


def test_each_status_names_exactly_the_refusals_that_the_contract_gives_it() -> None:
    document = orjson.loads(openapi.document("short_polling", True, takes_messages=True))
    statuses = {**REFUSALS, **OF_MESSAGES}
    described = set[str]()
    for path in document["paths"].values():
        (operation,) = path.values()
        for status, answer in operation["responses"].items():
            body = answer.get("content", {}).get("application/json", {})
            if body.get("schema", {}).get("$ref", "").endswith("Refusal"):
                codes = answer["description"].split(", ")
                assert {statuses[code].http for code in codes} == {int(status)}
                described |= set(codes)
    assert set(statuses) - described == {"not-found", "method-not-allowed", "upgrade-required"}


def test_every_refusal_of_the_contract_that_a_get_can_meet_is_described() -> None:
    described = set(openapi.OF_TICKS)
    assert set(REFUSALS) - described == {"not-found", "method-not-allowed", "upgrade-required"}


def test_a_message_is_refused_by_the_words_that_the_contract_lists_for_it() -> None:
    text = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()
    table = text.partition("## Messages of clients")[2].partition("A refusal closes no WebSocket.")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", table, re.MULTILINE))
    assert set(openapi.OF_A_MESSAGE) - set(openapi.OF_ANY_PATH) <= set(rows) <= set(openapi.OF_A_MESSAGE)
    assert all(int(rows[word]) == (REFUSALS.get(word) or OF_MESSAGES[word]).http for word in rows)


def test_only_a_server_that_takes_messages_describes_their_path() -> None:
    assert b"/messages" not in openapi.document("short_polling")
    fields = orjson.loads(openapi.document("short_polling", takes_messages=True))["components"]["schemas"]["Message"]
    assert set(fields["properties"]) == set(Message._fields)
    assert set(fields["required"]) == set(Message._fields) - BY_HAND


def test_the_contract_in_words_has_the_same_refusals_limits_and_counts() -> None:
    text = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (\d{4}) \|", text, re.MULTILINE)
    assert {word: Status(int(http), int(close)) for word, http, close in rows} == REFUSALS
    for limit in (TARGET_BYTES, HEAD_LINE_BYTES, MESSAGE_BYTES):
        assert f"{limit:,} bytes" in text
    limits = Limits()
    for seconds in (limits.head_s, limits.idle_s, limits.stall_s, limits.close_s):
        assert f"| {seconds:g} s |" in text
    config = ServerConfig(transport="short_polling", feed=Address(port=1), takes_messages=True)
    for count in Chassis(config).stats():   # those of messages, too
        assert f"`{count}`" in text


def test_without_entity_tags_the_document_speaks_of_none() -> None:
    document = orjson.loads(openapi.document("short_polling", False))
    assert "304" not in document["paths"]["/ticks"]["get"]["responses"]
    assert b"ETag" not in openapi.document("short_polling", False)


def test_a_stream_is_described_by_its_media_type_and_the_id_of_its_last_event() -> None:
    ticks = orjson.loads(openapi.document("any", stream="text/plain"))["paths"]["/ticks"]["get"]
    assert list(ticks["responses"]["200"]["content"]) == ["text/plain"]
    assert "Last-Event-ID" in {parameter["name"] for parameter in ticks["parameters"]}


def test_a_refusal_in_a_stream_has_no_status_of_its_own() -> None:
    document = openapi.document("any", stream="text/plain", in_stream=["other-epoch", "left-tape"])
    answers = orjson.loads(document)["paths"]["/ticks"]["get"]["responses"]
    assert "409" not in answers
    assert answers["410"]["description"] == "slow-client"
    assert answers["200"]["description"].endswith(": other-epoch, left-tape.")


@pytest.fixture(scope="module", params=list(OPTIONS))
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    feed = ScriptedFeed()
    with running_server(feed, request.param, options=OPTIONS[request.param], takes_messages=True) as server:
        server.publish("AAA", "BBB", "AAA")
        yield server
    feed.close()


@pytest.mark.process
def test_the_running_servers_keep_to_their_document(server: ServerProcess) -> None:
    schema = schemathesis.openapi.from_url(f"http://{server.host}:{server.port}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/ticks", "/messages", "/health", "/stats"}
    for operation in operations:
        keeps_to_its_document(operation.as_strategy())
        if operation.path in ("/ticks", "/messages"):
            keeps_to_its_document(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))


def keeps_to_its_document(cases: SearchStrategy[schemathesis.Case]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
