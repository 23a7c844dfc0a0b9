"""The LLM reader through boto3's real Bedrock client, whose wire is stubbed: request shapes are checked by botocore."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ocr_ops.errors import ModelBusy, ModelRefused, ModelUnreachable
from ocr_ops.model import Block, Candidate, Digest, GridBox, PageImage, PixelSize, Reading, ReadPage
from ocr_ops.readers.llm import LlmReader, LlmResult
from ocr_ops.readers.llm_answer import request_schema
from ocr_ops.readers.llm_bedrock import BedrockPeer
from ocr_ops.readers.llm_peer import Picture
from ocr_ops.schemas import load_schema

Json = dict[str, Any]

RECEIPT = load_schema("receipt")
MODEL = "anthropic.some-model-v1:0"
GOOD = {"merchant_name": "BOOK TA-K", "date": "2018-12-25", "total": "9.00", "line_items": []}
PAGE = ReadPage(
    PageImage(1, Digest("sha256:" + "0" * 64), "image/png", PixelSize(100, 100)),
    (),
    (Block("p001.b001", "text", (GridBox(10, 10, 500, 20),), "TOTAL 9.00"),),
)
PROPOSED = Candidate("layout", "1", (Reading("/total", "8.00"),))


def message(*content: Json, stop: str = "tool_use") -> Json:
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": {"inputTokens": 800, "outputTokens": 60, "totalTokens": 860},
        "metrics": {"latencyMs": 5},
    }


def used_tool(record: Any, stop: str = "tool_use") -> Json:
    return message({"toolUse": {"toolUseId": "t1", "name": "record", "input": record}}, stop=stop)


def said(text: str, stop: str = "end_turn") -> Json:
    return message({"text": text}, stop=stop)


def converse(script: Callable[[Stubber], None], **options: Any) -> tuple[LlmResult, list[Json]]:
    """Read the page with a scripted Bedrock; also returns what was sent."""
    client = boto3.client(
        "bedrock-runtime", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y"
    )
    sent: list[Json] = []
    client.meta.events.register(
        "provide-client-params.bedrock-runtime.Converse", lambda params, **_: sent.append(params)
    )
    pictures: Sequence[Picture] = options.pop("pictures", ())
    peer = BedrockPeer(
        options.pop("model", MODEL), client=client, tries=options.pop("waits", 2), backoff_s=0.001
    )

    async def go() -> LlmResult:
        reader = LlmReader(peer, **options)
        try:
            return await reader.read([PAGE], RECEIPT, PROPOSED, pictures)
        finally:
            await reader.close()

    with Stubber(client) as stub:
        script(stub)
        result = asyncio.run(go())
        stub.assert_no_pending_responses()
    return result, sent


def answers(*replies: Json | tuple[str, int, str]) -> Callable[[Stubber], None]:
    """Replies, or (error code, HTTP status, complaint), in turn."""

    def script(stub: Stubber) -> None:
        for one in replies:
            if isinstance(one, tuple):
                code, status, complaint = one
                stub.add_client_error("converse", code, complaint, http_status_code=status)
            else:
                stub.add_response("converse", one)

    return script


def values(result: LlmResult) -> dict[str, str]:
    return {reading.path: reading.value for reading in result.candidate.readings}


def test_the_record_is_asked_for_as_the_input_of_a_tool() -> None:
    result, [sent] = converse(answers(used_tool(GOOD)), max_tokens=700)

    assert values(result) == {"/merchant_name": "BOOK TA-K", "/date": "2018-12-25", "/total": "9.00"}
    assert result.candidate.version == f"{MODEL}/prompt-2"
    assert sent["inferenceConfig"] == {"maxTokens": 700, "temperature": 0.0}
    assert sent["toolConfig"]["toolChoice"] == {"tool": {"name": "record"}}
    [tool] = sent["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"] == {"json": request_schema(RECEIPT)}
    assert "You correct data" in sent["system"][0]["text"]
    [turn] = sent["messages"]
    assert turn["role"] == "user" and "TOTAL 9.00" in turn["content"][0]["text"]
    [attempt] = result.attempts
    assert (attempt.form, attempt.prompt_tokens, attempt.completion_tokens) == ("tool", 800, 60)
    assert json.loads(attempt.reply) == GOOD


def test_pictures_are_sent_as_bytes_before_the_words() -> None:
    _, [sent] = converse(answers(used_tool(GOOD)), pictures=[Picture("image/jpeg", b"page")])

    first, second = sent["messages"][0]["content"]
    assert first == {"image": {"format": "jpeg", "source": {"bytes": b"page"}}}
    assert "TOTAL 9.00" in second["text"]


def test_a_model_that_cannot_be_made_to_use_a_tool_is_offered_it_and_then_asked_for_json() -> None:
    result, sent = converse(
        answers(
            ("ValidationException", 400, "This model does not support toolConfig.toolChoice.tool."),
            ("ValidationException", 400, "This model does not support tool use."),
            said(f"Here it is:\n```json\n{json.dumps(GOOD)}\n```"),
        )
    )

    assert values(result)["/total"] == "9.00"
    assert [one.get("toolConfig", {}).get("toolChoice") for one in sent] == [
        {"tool": {"name": "record"}}, {"auto": {}}, None,
    ]  # fmt: skip
    assert result.attempts[0].form == "plain"


def test_faults_of_an_answer_are_fed_back() -> None:
    result, sent = converse(answers(used_tool({**GOOD, "total": "nine"}), used_tool(GOOD)))

    assert values(result)["/total"] == "9.00"
    roles = [turn["role"] for turn in sent[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert "/total" in sent[1]["messages"][2]["content"][0]["text"]


def test_numbers_in_a_tools_input_keep_their_value() -> None:
    result, _ = converse(answers(used_tool({**GOOD, "total": 1234.56})))

    assert values(result)["/total"] == "1234.56"


@pytest.mark.parametrize(
    "bad",
    [
        used_tool(GOOD, stop="max_tokens"),
        used_tool("no object"),
        said("I cannot help with that."),
        said("", stop="guardrail_intervened"),
        said("{}", stop="content_filtered"),
        message(),
    ],
)
def test_an_unusable_answer_is_asked_for_again_and_then_given_up(bad: Json) -> None:
    result, sent = converse(answers(bad, bad, bad))

    assert (len(sent), result.candidate.readings) == (3, ())
    assert any("no usable answer in 3 tries" in problem.detail for problem in result.candidate.problems)


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (("ThrottlingException", 429, "Too many requests"), ModelBusy, 2),
        (("ServiceUnavailableException", 503, "Try again"), ModelBusy, 2),
        (("ModelNotReadyException", 429, "The model is not ready"), ModelBusy, 2),
        (("ModelTimeoutException", 408, "The model took too long"), ModelUnreachable, 2),
        (("InternalServerException", 500, "Internal"), ModelUnreachable, 2),
        (("ModelErrorException", 424, "The model failed"), ModelUnreachable, 2),
        (("AccessDeniedException", 403, "You don't have access to the model"), ModelRefused, 1),
        (("ResourceNotFoundException", 404, "The provided model identifier is invalid."), ModelRefused, 1),
        (("ExpiredTokenException", 403, "The security token is expired"), ModelRefused, 1),
        (("ValidationException", 400, "The provided request is not valid"), ModelRefused, 3),
    ],
)
def test_a_broken_world_is_raised(fault: tuple[str, int, str], error: type[Exception], requests: int) -> None:
    with pytest.raises(error, match=fault[2].replace("'", ".")):
        converse(answers(*[fault] * requests))


def test_a_fault_that_passes_loses_no_document() -> None:
    result, _ = converse(answers(("ThrottlingException", 429, "slow down"), used_tool(GOOD)))

    assert values(result)["/total"] == "9.00"


def test_a_document_that_never_fits_is_a_problem_and_no_error() -> None:
    too_long = ("ValidationException", 400, "Input is too long for requested model.")

    result, _ = converse(answers(*[too_long] * 4))

    [problem] = result.candidate.problems
    assert "does not fit" in problem.detail


def test_no_model_is_a_matter_of_settings() -> None:
    with pytest.raises(ModelRefused, match="OCR_OPS_LLM_MODEL"):
        converse(answers(), model="")


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    peer = BedrockPeer(MODEL, region="eu-central-1", endpoint_url="http://127.0.0.1:9", backoff_s=0.001)

    async def go() -> None:
        reader = LlmReader(peer)
        try:
            await reader.read([PAGE], RECEIPT, PROPOSED)
        finally:
            await reader.close()

    with pytest.raises(ModelRefused, match="credentials"):
        asyncio.run(go())
