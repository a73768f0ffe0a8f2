"""The official `openai` package against a running server: chat, stream, error classes.

    EDISON_BIN=target/debug/edison python tests/sdk/openai_python.py

Starts the server on a free port with two of the models it ships with. The queue of "deep" holds nobody, so that
a second request meets a full queue.
"""
import os
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import openai

CONFIG = """
[[models]]
name = "fast"
builtin = "fast"

[[models]]
name = "deep"
builtin = "deep"
queue_max = 0

[tiers]
fast = "fast"
deep = "deep"
"""


def start():
    """Starts the server and waits until every model is loaded -> (process, base address)."""
    folder = tempfile.mkdtemp(prefix="edison-sdk-")
    config, port_file = os.path.join(folder, "edison.toml"), os.path.join(folder, "port")
    Path(config).write_text(CONFIG)
    command = [os.environ["EDISON_BIN"], "serve", "--config", config, "--listen", "127.0.0.1:0", "--port-file", port_file]
    log = os.path.join(folder, "log")
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    for _ in range(600):                      # a minute at most; the condition is polled, not guessed
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode} before it was ready:\n{Path(log).read_text()}")
        if os.path.exists(port_file) and Path(port_file).read_text().strip():
            return process, f"http://127.0.0.1:{Path(port_file).read_text().strip()}"
        time.sleep(0.1)
    raise SystemExit(f"the server did not listen within a minute:\n{Path(log).read_text()}")


def ask(text):
    return [{"role": "user", "content": text}]


class OpenAiPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process, base = start()
        cls.client = openai.OpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        code = cls.process.wait(timeout=60)
        assert code == 0, f"SIGTERM must end the server properly, it ended with {code}"

    def chat(self, text, model="fast", **options):
        return self.client.chat.completions.create(model=model, messages=ask(text), temperature=0, **options)

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
            (dict(messages=ask("x"), temperature=-1), "temperature"),
            (dict(messages=ask("x"), max_tokens=0), "max_tokens"),
            (dict(messages=ask("x"), top_p=7), "top_p"),
            (dict(messages=ask("x"), n=0), "n"),
            (dict(messages=ask("a" * 5000)), "messages"),
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
            model="fast", messages=ask("hello"), extra_headers={"x-request-id": "from-the-client-1"})
        self.assertEqual(raw.headers["x-request-id"], "from-the-client-1")
        self.assertEqual(raw.parse()._request_id, "from-the-client-1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
