"""LangChain's `langchain-openai` against a running server: chat, stream, tools, JSON schema, errors, abort.

    EDISON_BIN=target/debug/edison python tests/sdk/langchain_python.py
"""
import unittest
from typing import Literal

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

import edison


@tool
def get_weather(city: Literal["Paris", "Rome"]) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


class Answer(BaseModel):
    colour: Literal["red", "green"]
    is_sure: bool


class LangChain(edison.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.base, cls.calling = f"{cls.base}/v1", f"{cls.caller_base}/v1"

    def model(self, model="fast", base=None, **options):
        return ChatOpenAI(base_url=base or self.base, api_key="unused", model=model, temperature=0, max_retries=0, **options)

    def test_chat_answers_with_text_and_usage(self):
        reply = self.model().invoke("Repeat after me: kestrel-4821 violet")
        self.assertEqual(reply.content, "kestrel-4821 violet")
        self.assertGreater(reply.usage_metadata["output_tokens"], 0)
        self.assertEqual(reply.response_metadata["finish_reason"], "stop")

    def test_a_conversation_is_remembered(self):
        reply = self.model().invoke([
            SystemMessage("My code word is kestrel."), HumanMessage("What is my code word?"),
        ])
        self.assertIn("kestrel", reply.content)

    def test_a_stream_adds_up_to_the_answer(self):
        whole = self.model().invoke("Count from 3 to 17").content
        chunks = list(self.model(stream_usage=True).stream("Count from 3 to 17"))
        self.assertEqual("".join(chunk.content for chunk in chunks), whole)
        self.assertGreater(len(chunks), 3, "it must arrive in pieces")
        self.assertGreater(sum(c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata), 0)

    def test_a_turn_with_a_tool(self):
        question = HumanMessage("How is the weather in Paris?")
        bound = self.model(base=self.calling).bind_tools([get_weather])
        reply = bound.invoke([question])
        [call] = reply.tool_calls
        self.assertEqual((call["name"], call["args"]), ("get_weather", {"city": "Paris"}))
        result = get_weather.invoke(call)
        self.assertIsInstance(result, ToolMessage)
        self.assertEqual(bound.invoke([question, reply, result]).content, "It is sunny in Paris.")

    def test_a_call_is_streamed(self):
        whole = None
        for chunk in self.model(base=self.calling).bind_tools([get_weather]).stream("How is the weather in Paris?"):
            whole = chunk if whole is None else whole + chunk
        self.assertEqual((whole.tool_calls[0]["name"], whole.tool_calls[0]["args"]), ("get_weather", {"city": "Paris"}))

    def test_an_answer_is_of_its_class(self):
        answer = self.model().with_structured_output(Answer, method="json_schema").invoke("What colour is grass?")
        self.assertIsInstance(answer, Answer)

    def test_the_responses_api_is_spoken_too(self):
        reply = self.model(use_responses_api=True, output_version="v0").invoke("Repeat after me: kestrel-4821 violet")
        self.assertEqual(reply.text if isinstance(reply.text, str) else reply.text(), "kestrel-4821 violet")

    def test_an_unknown_model_is_not_found_and_a_bad_field_is_named(self):
        with self.assertRaises(openai.NotFoundError):
            self.model("gpt-4").invoke("hello")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.model(top_p=7).invoke("hello")
        self.assertEqual(caught.exception.param, "top_p")

    def test_leaving_in_mid_stream_frees_the_lane(self):
        stream = self.model().stream("Count from 1 to 60")
        next(stream)
        stream.close()
        self.assertEqual(self.model().invoke("Repeat after me: still here").content, "still here")


if __name__ == "__main__":
    unittest.main(verbosity=2)
