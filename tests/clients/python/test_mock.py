"""The real `openai` package against `edison mock`: what a program does when its LLM does this or that."""
import threading

import openai
import pytest


def test_a_rule_answers(mock):
    mock.rules({"when": {"user_contains": "capital"}, "reply": "Paris."})
    reply = mock.chat("What is the capital of France?")
    assert reply.choices[0].message.content == "Paris."
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_comes_in_pieces(mock):
    mock.rules({"reply": {"template": "You said {{ user | upper }}."}})
    chunks = list(mock.chat("hello", stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "You said HELLO."
    assert len(chunks) > 3


def test_replies_come_one_after_the_other(mock):
    mock.rules({"reply": ["one", "two"]})
    assert [mock.chat("x").choices[0].message.content for _ in range(3)] == ["one", "two", "two"]


def test_a_request_that_nobody_expected_names_the_closest_rule(mock):
    mock.rules({"name": "weather", "when": {"user_contains": "weather"}, "reply": "Sunny."})
    with pytest.raises(openai.BadRequestError, match='the closest is rule 1 "weather"'):
        mock.chat("What time is it?")


def test_a_rate_limit_is_survived_by_the_client_itself(mock):
    mock.rules({"reply": [{"fault": {"status": 429, "retry_after": "5ms"}}, "At last."]})
    patient = mock.client.with_options(max_retries=2)
    reply = patient.chat.completions.create(model="fast", messages=[{"role": "user", "content": "x"}])
    assert reply.choices[0].message.content == "At last."
    assert [r["status"] for r in mock.journal()["requests"]] == [429, 200]


def test_the_second_call_fails(mock):
    mock.rules({"reply": "fine"}, faults=[{"calls": [2], "fault": {"fail": True}}])
    assert mock.chat("x").choices[0].message.content == "fine"
    with pytest.raises(openai.InternalServerError):
        mock.chat("x")
    assert mock.chat("x").choices[0].message.content == "fine"


def test_a_connection_that_is_cut_is_an_error_and_not_a_short_answer(mock):
    mock.rules({"reply": {"text": "This sentence will not be finished.", "fault": {"disconnect_after": 2}}})
    seen = []
    with pytest.raises(Exception) as caught:
        for chunk in mock.chat("x", stream=True):
            seen.append(chunk.choices[0].delta.content or "")
    assert "".join(seen) and "finished" not in "".join(seen)
    assert "peer closed" in str(caught.value) or isinstance(caught.value, openai.APIError)


def test_leaving_frees_the_model_and_the_journal_tells_when(mock):
    mock.rules({"reply": {"text": "never ends", "fault": {"hang_after": 1}}, "times": 1}, {"reply": "next"})
    stream = mock.chat("x", stream=True)
    next(iter(stream))
    stream.close()
    assert mock.chat("x").choices[0].message.content == "next"
    left, served = mock.journal()["requests"]
    assert (left["outcome"], left["phase"]) == ("cancelled", "decode")
    assert served["ticket"] > left["ticket"]


def test_requests_to_one_model_are_served_one_after_the_other(mock):
    mock.rules({"reply": {"text": "abcdefghi", "time_per_token": "2ms"}})
    threads = [threading.Thread(target=mock.chat, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grants = mock.journal()["grants"]
    assert len(grants) == 4
    assert all(a["released_ms"] <= b["granted_ms"] for a, b in zip(grants, grants[1:]))
