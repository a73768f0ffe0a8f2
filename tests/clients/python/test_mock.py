"""The real `openai` package against `edison mock`: what a program does when its LLM does this or that."""
import json
import threading

import openai
import pydantic
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


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_a_turn_with_a_tool(mock):
    mock.rules(
        {"when": {"tool": "get_weather", "after_tool": False},
         "reply": {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}},
        {"when": {"result_of": "get_weather"}, "reply": {"template": "It is {{ result }}."}},
    )
    messages = [{"role": "user", "content": "How is the weather?"}]
    ask = lambda: mock.client.chat.completions.create(model="fast", messages=messages, tools=[TOOL]).choices[0]
    choice = ask()
    [call] = choice.message.tool_calls
    assert (choice.finish_reason, call.function.name) == ("tool_calls", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert ask().message.content == "It is sunny."
    assert [r["outcome"] for r in mock.journal()["requests"]] == ["finished_tool_calls", "finished"]


class Person(pydantic.BaseModel):
    name: str
    age: int


def test_a_model_of_pydantic_comes_back_without_a_rule_for_its_fields(mock):
    mock.rules({"when": {"json": True}, "reply": {"json": True}})
    messages = [{"role": "user", "content": "Who?"}]
    reply = mock.client.chat.completions.parse(model="fast", messages=messages, response_format=Person)
    assert isinstance(reply.choices[0].message.parsed, Person)


def test_embeddings_of_like_texts_are_near(mock):
    texts = ["the weather in Paris", "weather of Paris", "quarterly tax report"]
    a, b, c = (item.embedding for item in mock.client.embeddings.create(model="fast", input=texts).data)
    near = lambda x, y: sum(p * q for p, q in zip(x, y))
    assert near(a, b) > 2 * near(a, c)


def test_choices_are_calls_of_their_own(mock):
    mock.rules({"reply": ["one", "two"]})
    reply = mock.chat("x", n=2, logprobs=True)
    assert [choice.message.content for choice in reply.choices] == ["one", "two"]
    assert "".join(token.token for token in reply.choices[1].logprobs.content) == "two"
    [row] = mock.journal()["requests"]
    assert [row["ticket"], row["parts"][0]["ticket"]] == sorted([row["ticket"], row["parts"][0]["ticket"]])


def test_the_responses_api_thinks_first(mock):
    mock.rules({"reply": {"reasoning": "They want a reason.", "text": "Because."}})
    reply = mock.client.responses.create(model="fast", input="Why?")
    assert reply.output_text == "Because."
    assert [item.type for item in reply.output] == ["reasoning", "message"]
