"""The official `openai` package against a running server: chat, stream, tools, JSON schema, error classes, abort.

    EDISON_BIN=target/debug/edison python tests/sdk/openai_python.py
"""
import json
import threading
import unittest

import openai

import edison


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "is_sure": {"type": "boolean"}},
    "required": ["colour", "is_sure"],
    "additionalProperties": False,
}


class OpenAiPackage(edison.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = openai.OpenAI(base_url=f"{cls.base}/v1", api_key="unused", max_retries=0)
        cls.addClassCleanup(cls.client.close)
        cls.calling = openai.OpenAI(base_url=f"{cls.caller_base}/v1", api_key="unused", max_retries=0)
        cls.addClassCleanup(cls.calling.close)

    def chat(self, text, model="fast", **options):
        return self.client.chat.completions.create(model=model, messages=edison.ask(text), temperature=0, **options)

    def test_chat_answers_with_text_usage_and_a_finish_reason(self):
        reply = self.chat("Repeat after me: kestrel-4821 violet")
        self.assertEqual(reply.choices[0].message.content, "kestrel-4821 violet")
        self.assertEqual(reply.choices[0].message.role, "assistant")
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertEqual(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens)
        self.assertGreater(reply.usage.completion_tokens, 0)
        self.assertEqual(reply.model, "fast")

    def test_max_tokens_ends_with_length(self):
        reply = self.chat("Count from 1 to 60", max_tokens=5)
        self.assertEqual(reply.choices[0].finish_reason, "length")
        self.assertEqual(reply.usage.completion_tokens, 5)

    def test_a_stream_gives_the_same_text_as_one_piece(self):
        whole = self.chat("Count from 3 to 17").choices[0].message.content
        chunks = list(self.chat("Count from 3 to 17", stream=True))
        text = "".join(c.choices[0].delta.content or "" for c in chunks)
        self.assertEqual(text, whole)
        self.assertEqual([c.choices[0].delta.role for c in chunks if c.choices[0].delta.role], ["assistant"])
        self.assertEqual([c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason], ["stop"])
        self.assertGreater(len(chunks), 3, "it must arrive in pieces")

    def test_usage_comes_with_the_stream_when_asked_for(self):
        chunks = list(self.chat("Count from 1 to 5", stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)
        self.assertTrue(all(c.usage is None for c in chunks[:-1]))

    def test_a_turn_with_a_tool_whole_and_streamed(self):
        messages = edison.ask("How is the weather in Paris?")
        options = dict(model="fast", messages=messages, tools=[TOOL])
        choice = self.calling.chat.completions.create(**options).choices[0]
        [call] = choice.message.tool_calls
        self.assertEqual((choice.finish_reason, call.function.name), ("tool_calls", "get_weather"))
        self.assertEqual(json.loads(call.function.arguments), {"city": "Paris"})
        with self.calling.chat.completions.stream(**options) as stream:
            [streamed] = stream.get_final_completion().choices[0].message.tool_calls
        self.assertEqual(streamed.function.arguments, call.function.arguments)
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        answer = self.calling.chat.completions.create(**options).choices[0].message
        self.assertEqual(answer.content, "It is sunny.")

    def test_a_picture_is_seen_in_a_chat_and_by_the_responses_api(self):
        url = f"data:image/gif;base64,{edison.GIF}"
        messages = edison.ask([{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}])
        reply = self.calling.chat.completions.create(model="fast", messages=messages)
        self.assertEqual(reply.choices[0].message.content, "One picture.")
        items = edison.ask([{"type": "input_image", "image_url": url}, {"type": "input_text", "text": "What is it?"}])
        self.assertEqual(self.calling.responses.create(model="fast", input=items).output_text, "One picture.")

    def test_an_answer_follows_its_schema(self):
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
        answer = json.loads(self.chat("What colour is grass?", response_format=form).choices[0].message.content)
        self.assertIn(answer["colour"], ["red", "green"])
        self.assertIn(answer["is_sure"], [True, False])

    def test_the_responses_api_is_spoken_whole_and_streamed(self):
        ask_for = dict(model="fast", input="Repeat after me: kestrel-4821 violet", temperature=0)
        self.assertEqual(self.client.responses.create(**ask_for).output_text, "kestrel-4821 violet")
        with self.client.responses.stream(**ask_for) as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            self.assertEqual(stream.get_final_response().output_text, text)
        self.assertEqual(text, "kestrel-4821 violet")

    def test_models_are_listed_and_found(self):
        ids = [m.id for m in self.client.models.list()]
        self.assertIn("fast", ids)
        self.assertEqual(self.client.models.retrieve("deep").id, "deep")

    def test_an_unknown_model_is_not_found_and_never_another_one(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.chat("hello", model="gpt-4")
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_bad_requests_name_the_field(self):
        bad = [
            (dict(messages=[]), "messages"),
            (dict(messages=edison.ask("x"), temperature=-1), "temperature"),
            (dict(messages=edison.ask("x"), max_tokens=0), "max_tokens"),
            (dict(messages=edison.ask("x"), top_p=7), "top_p"),
            (dict(messages=edison.ask("x"), n=0), "n"),
            (dict(messages=edison.ask("a" * 5000)), "messages"),
        ]
        for options, field in bad:
            with self.subTest(field=field), self.assertRaises(openai.BadRequestError) as caught:
                self.client.chat.completions.create(model="fast", **options)
            self.assertEqual(caught.exception.param, field)

    def test_a_full_queue_is_a_rate_limit_with_retry_after(self):
        """Eight clients ask a model whose queue holds nobody; whoever does not get the lane at once is refused."""
        refused, answered = [], []

        def client():
            for _ in range(50):
                try:
                    answered.append(self.chat("Count from 1 to 60", model="deep").choices[0].finish_reason)
                except openai.RateLimitError as error:
                    refused.append(error)
                if refused and answered:
                    return

        clients = [threading.Thread(target=client) for _ in range(8)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        self.assertTrue(answered, "somebody always has the lane")
        self.assertTrue(refused, "eight clients at once must meet a held lane")
        self.assertEqual(refused[0].code, "queue_full")
        self.assertGreaterEqual(int(refused[0].response.headers["retry-after"]), 1)

    def test_leaving_in_mid_stream_frees_the_lane(self):
        stream = self.chat("Count from 1 to 60", stream=True)
        next(iter(stream))
        stream.close()
        self.assertEqual(self.chat("Repeat after me: still here").choices[0].message.content, "still here")

    def test_the_request_id_of_the_client_comes_back(self):
        raw = self.client.chat.completions.with_raw_response.create(
            model="fast", messages=edison.ask("hello"), extra_headers={"x-request-id": "from-the-client-1"})
        self.assertEqual(raw.headers["x-request-id"], "from-the-client-1")
        self.assertEqual(raw.parse()._request_id, "from-the-client-1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
