"""Keyrack's door with the tools, resources and prompts that the conformance suite calls.

Messages, headers, admission, errors, streams and results are the product's; only what is offered is the suite's. What
Keyrack doesn't have at all (prompts, completion) is a method here, so that the suite sees the product's dispatcher.
"""

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar

from django.core import signing

from integrations.mcp import messages, methods
from integrations.mcp.exchanges import Exchange, Progress
from integrations.mcp.messages import MessageError
from integrations.mcp.methods import InputRequired, Method
from integrations.mcp.results import ToolAnswer, text_block
from integrations.mcp.tools import Tool
from integrations.mcp.views import Door

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
Offer = Callable[[Exchange, Progress], ToolAnswer]


def blocks(*content: dict[str, Any], is_failure: bool = False) -> ToolAnswer:
    return ToolAnswer(values=None, content=content, is_failure=is_failure, is_third_party=False)


def text(words: str) -> ToolAnswer:
    return blocks(text_block(words))


def embedded(uri: str, media_type: str, words: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "text": words}}


# Asking the user ------------------------------------------------------------------------------------------------------


def elicit(message: str, **properties: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sample(question: str) -> dict[str, Any]:
    asked = [{"role": "user", "content": {"type": "text", "text": question}}]
    return {"method": "sampling/createMessage", "params": {"messages": asked, "maxTokens": 100}}


ROOTS = {"method": "roots/list", "params": {}}
NAME = {"user_name": elicit("What is your name?", name="string")}


def responses_to(exchange: Exchange, requests: dict[str, Any], state: str = "") -> dict[str, Any]:
    """The responses to all of these requests, which are asked for until they are there."""
    given = exchange.message.input_responses
    if any(not isinstance(given.get(key), dict) for key in requests):
        raise InputRequired(requests, state)
    return given


def state_of(exchange: Exchange) -> Any:
    """The state that the client repeats; None in the first round."""
    state = exchange.message.params.get("requestState")
    if state is None:
        return None
    try:
        return signing.loads(state, salt="reference")
    except (signing.BadSignature, TypeError):
        raise MessageError(messages.INVALID_PARAMS, "The state is not ours.", request_id=exchange.message.id) from None


def signed(state: Any) -> str:
    return signing.dumps(state, salt="reference")


def asks_name(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    given = responses_to(exchange, NAME)["user_name"]
    content = given.get("content")
    if given.get("action") != "accept" or not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise InputRequired(NAME)
    return text(f"Hello, {content['name']}!")


def asks_model(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    given = responses_to(exchange, {"capital_question": sample("What is the capital of France?")})
    return text(f"The model said: {given['capital_question']['content']['text']}")


def asks_roots(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    given = responses_to(exchange, {"client_roots": ROOTS})
    return text(f"Roots: {json.dumps(given['client_roots'].get('roots'))}")


def asks_with_state(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    state = state_of(exchange)
    responses_to(exchange, {"confirm": elicit("Please confirm", ok="boolean")}, signed("confirming"))
    return text("state-ok" if state == "confirming" else "state-lost")


def asks_thrice(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    state_of(exchange)
    requests = {**NAME, "greeting": sample("Generate a greeting"), "client_roots": ROOTS}
    responses_to(exchange, requests, signed("three"))
    return text("All three answers are there.")


def asks_in_rounds(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    state = state_of(exchange)
    if state is None:
        raise InputRequired({"step1": elicit("Step 1: What is your name?", name="string")}, signed(1))
    if state == 1:
        responses_to(exchange, {"step1": elicit("Step 1: What is your name?", name="string")}, signed(1))
        raise InputRequired({"step2": elicit("Step 2: What is your favorite color?", color="string")}, signed(2))
    responses_to(exchange, {"step2": elicit("Step 2: What is your favorite color?", color="string")}, signed(2))
    return text("Both steps are done.")


def asks_what_the_client_can(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    of_capability = {
        "elicitation": elicit("Please confirm", ok="boolean"),
        "sampling": sample("Hello?"),
        "roots": ROOTS,
    }
    requests = {f"ask_{name}": of_capability[name] for name in exchange.message.capabilities if name in of_capability}
    if requests:
        responses_to(exchange, requests)
    return text("Nothing more to ask.")


# Tools ----------------------------------------------------------------------------------------------------------------


def reports_progress(_exchange: Exchange, progress: Progress) -> ToolAnswer:
    for done in (0, 50, 100):
        progress.report(done, 100)
        time.sleep(0.05)
    return text("Done.")


def needs_sampling(exchange: Exchange, _progress: Progress) -> ToolAnswer:
    if "sampling" not in exchange.message.capabilities:
        data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MessageError(
            messages.MISSING_CAPABILITY, "The client cannot sample.", data, request_id=exchange.message.id
        )
    return text("The client can sample.")


def always(answer: ToolAnswer) -> Offer:
    return lambda _exchange, _progress: answer


MIXED = blocks(
    text_block("Multiple content types test:"),
    IMAGE,
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
)
ERROR = blocks(text_block("This tool intentionally returns an error for testing"), is_failure=True)
OFFERS: dict[str, Offer] = {
    "test_simple_text": always(text("This is a simple text response for testing.")),
    "test_image_content": always(blocks(IMAGE)),
    "test_audio_content": always(blocks({"type": "audio", "data": WAV, "mimeType": "audio/wav"})),
    "test_embedded_resource": always(
        blocks(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."))
    ),
    "test_multiple_content_types": always(MIXED),
    "test_error_handling": always(ERROR),
    "test_tool_with_progress": reports_progress,
    "test_logging_tool": always(text("Nothing is logged to clients.")),
    "test_missing_capability": needs_sampling,
    "test_streaming_elicitation": asks_name,
    "test_input_required_result_elicitation": asks_name,
    "test_input_required_result_sampling": asks_model,
    "test_input_required_result_list_roots": asks_roots,
    "test_input_required_result_request_state": asks_with_state,
    "test_input_required_result_tampered_state": asks_with_state,
    "test_input_required_result_multiple_inputs": asks_thrice,
    "test_input_required_result_multi_round": asks_in_rounds,
    "test_input_required_result_capabilities": asks_what_the_client_can,
}


def tool_of(name: str, offer: Offer) -> Tool:
    return Tool(
        name=name,
        title=name,
        description=f"The suite's {name}.",
        arguments={},
        reads_only=True,
        scope="subflows:run",
        call=lambda exchange, _arguments, progress: offer(exchange, progress),
    )


# Resources and prompts ------------------------------------------------------------------------------------------------


STATIC = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
}


def list_resources(exchange: Exchange, _tools: list[Tool]) -> dict[str, Any]:
    rows = [{"uri": uri, "name": uri, "mimeType": content["mimeType"]} for uri, content in STATIC.items()]
    return methods.list_result(exchange, resources=rows)


def list_templates(exchange: Exchange, _tools: list[Tool]) -> dict[str, Any]:
    template = {"uriTemplate": "test://template/{id}/data", "name": "data", "mimeType": "application/json"}
    return methods.list_result(exchange, resourceTemplates=[template])


def read_resource(exchange: Exchange, tools: list[Tool]) -> dict[str, Any]:
    uri = str(exchange.message.params.get("uri"))
    content = STATIC.get(uri)
    if uri.startswith("test://template/"):
        name = uri.split("/")[3]
        data = {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}
        content = {"mimeType": "application/json", "text": json.dumps(data)}
    if content is None:
        return methods.read_resource(exchange, tools)
    return methods.list_result(exchange, contents=[{"uri": uri, **content}])


PROMPTS: dict[str, list[str]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}


def list_prompts(exchange: Exchange, _tools: list[Tool]) -> dict[str, Any]:
    rows = [
        {"name": name, "description": name, "arguments": [{"name": each, "required": True} for each in needed]}
        for name, needed in PROMPTS.items()
    ]
    return methods.list_result(exchange, prompts=rows)


def get_prompt(exchange: Exchange, _tools: list[Tool]) -> dict[str, Any]:
    given = exchange.message.params.get("arguments", {})
    match exchange.message.params.get("name"):
        case "test_simple_prompt":
            contents = [text_block("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            words = f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"
            contents = [text_block(words)]
        case "test_prompt_with_embedded_resource":
            resource = embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
            contents = [resource, text_block("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            contents = [IMAGE, text_block("Please analyze the image above.")]
        case _:
            try:
                responses_to(
                    exchange, {"user_context": elicit("What context should the prompt use?", context="string")}
                )
            except InputRequired as needed:
                return needed.result()
            contents = [text_block("With your context.")]
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def complete(_exchange: Exchange, _tools: list[Tool]) -> dict[str, Any]:
    return {"completion": {"values": ["paris", "park", "party"], "total": 3, "hasMore": False}}


class ReferenceDoor(Door):
    methods_by_name: ClassVar[dict[str, Method]] = methods.METHODS | {
        "resources/list": list_resources,
        "resources/templates/list": list_templates,
        "resources/read": read_resource,
        "prompts/list": list_prompts,
        "prompts/get": get_prompt,
        "completion/complete": complete,
    }
    capabilities: ClassVar[dict[str, Any]] = methods.CAPABILITIES | {
        "prompts": {"listChanged": False},
        "completions": {},
    }

    def tools(self, exchange: Exchange) -> list[Tool]:
        return [tool_of(name, offer) for name, offer in OFFERS.items()]
