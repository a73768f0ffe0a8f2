"""The official `anthropic` package against a running server: chat, stream, tools, JSON schema, errors, abort.

    EDISON_BIN=target/debug/edison python tests/sdk/anthropic_python.py
"""
import json
import unittest

import anthropic

import edison

TOOL = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class AnthropicPackage(edison.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = anthropic.Anthropic(base_url=cls.base, api_key="unused", max_retries=0)
        cls.addClassCleanup(cls.client.close)
        cls.calling = anthropic.Anthropic(base_url=cls.caller_base, api_key="unused", max_retries=0)
        cls.addClassCleanup(cls.calling.close)

    def create(self, text, model="fast", max_tokens=100, **options):
        options = {"extra_body": {"temperature": 0}, **options}
        return self.client.messages.create(model=model, max_tokens=max_tokens, messages=edison.ask(text), **options)

    def test_chat_answers_with_text_usage_and_a_stop_reason(self):
        reply = self.create("Repeat after me: kestrel-4821 violet")
        self.assertEqual([(block.type, block.text) for block in reply.content], [("text", "kestrel-4821 violet")])
        self.assertEqual((reply.role, reply.stop_reason, reply.model), ("assistant", "end_turn", "fast"))
        self.assertGreater(reply.usage.input_tokens, 0)
        self.assertGreater(reply.usage.output_tokens, 0)

    def test_a_system_prompt_is_heard(self):
        reply = self.create("What is my code word?", system="My code word is kestrel.")
        self.assertIn("kestrel", reply.content[0].text)

    def test_max_tokens_ends_the_answer(self):
        reply = self.create("Count from 1 to 60", max_tokens=5)
        self.assertEqual((reply.stop_reason, reply.usage.output_tokens), ("max_tokens", 5))

    def test_a_stream_adds_up_to_the_answer(self):
        whole = self.create("Count from 3 to 17").content[0].text
        with self.client.messages.stream(
            model="fast", max_tokens=200, messages=edison.ask("Count from 3 to 17"), extra_body={"temperature": 0}
        ) as stream:
            pieces = list(stream.text_stream)
            message = stream.get_final_message()
        self.assertEqual("".join(pieces), whole)
        self.assertGreater(len(pieces), 3, "it must arrive in pieces")
        self.assertEqual((message.content[0].text, message.stop_reason), (whole, "end_turn"))
        self.assertGreater(message.usage.output_tokens, 0)

    def test_a_turn_with_a_tool_whole_and_streamed(self):
        messages = edison.ask("How is the weather in Paris?")
        options = dict(model="fast", max_tokens=100, messages=messages, tools=[TOOL])
        whole = self.calling.messages.create(**options)
        with self.calling.messages.stream(**options) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            [call] = [block for block in message.content if block.type == "tool_use"]
            self.assertEqual((message.stop_reason, call.name, call.input), ("tool_use", "get_weather", {"city": "Paris"}))
        messages += [
            {"role": "assistant", "content": [call.model_dump(include={"type", "id", "name", "input"})]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
        ]
        self.assertEqual(self.calling.messages.create(**options).content[0].text, "It is sunny.")

    def test_a_picture_is_seen_and_counted(self):
        source = {"type": "base64", "media_type": "image/gif", "data": edison.GIF}
        messages = edison.ask([{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}])
        reply = self.calling.messages.create(model="fast", max_tokens=100, messages=messages)
        self.assertEqual(reply.content[0].text, "One picture.")
        counted = self.calling.messages.count_tokens(model="fast", messages=messages)
        self.assertEqual(counted.input_tokens, reply.usage.input_tokens)

    def test_an_answer_follows_its_schema(self):
        schema = {
            "type": "object",
            "properties": {"colour": {"enum": ["red", "green"]}, "n": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["colour", "n"],
            "additionalProperties": False,
        }
        config = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        answer = json.loads(self.create("What colour is grass?", extra_body={"temperature": 0, **config}).content[0].text)
        self.assertIn(answer["colour"], ["red", "green"])
        self.assertIn(answer["n"], range(1, 10))

    def test_tokens_are_counted_as_they_are_used(self):
        counted = self.client.messages.count_tokens(model="fast", messages=edison.ask("Say hello."))
        self.assertEqual(counted.input_tokens, self.create("Say hello.").usage.input_tokens)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(anthropic.NotFoundError) as caught:
            self.create("hello", model="claude-3")
        self.assertEqual(caught.exception.body["error"]["type"], "not_found_error")

    def test_bad_requests_name_the_field(self):
        for options, field in [(dict(max_tokens=0), "max_tokens"), (dict(extra_body={"temperature": 9}), "temperature")]:
            with self.subTest(field=field), self.assertRaises(anthropic.BadRequestError) as caught:
                self.create("x", **options)
            self.assertIn(field, caught.exception.body["error"]["message"])

    def test_leaving_in_mid_stream_frees_the_lane(self):
        with self.client.messages.stream(
            model="fast", max_tokens=500, messages=edison.ask("Count from 1 to 60"), extra_body={"temperature": 0}
        ) as stream:
            next(iter(stream.text_stream))
        self.assertEqual(self.create("Repeat after me: still here").content[0].text, "still here")


if __name__ == "__main__":
    unittest.main(verbosity=2)
