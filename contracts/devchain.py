"""The development chain over JSON-RPC and HTTP: what `commonhold chain dev` runs.

It speaks as much of the Ethereum JSON-RPC API (execution-apis) as web3.py needs to deploy, send,
read and watch, and the `evm_*` methods that tests of time need. Its accounts come from a phrase
that everybody knows. Requests reach the EVM one at a time, in a thread of its own, so that a long
execution delays other requests but never the event loop.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import uvicorn
from eth.exceptions import PyEVMError
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts import rpc
from contracts.dev_accounts import dev_addresses, dev_keys
from contracts.evm import CHAIN_ID, Evm, ExecutionFailed, Reverted, UnknownBlock
from protocol.depth import load_json

__all__ = ["create_app", "dev_addresses", "dev_keys", "run", "serve"]

BODY_BYTES_MAX: Final = 1024 * 1024  # twice the largest contract that EIP-3860 lets anybody deploy
BATCH_REQUESTS_MAX: Final = 100
# py-evm raises Python's recursion limit tenfold for the EVM's call depth of 1,024. On the usual
# stack of 8 MiB such a recursion (or JSON nested as deep) is not an error but the process's end.
STACK_BYTES: Final = 256 * 1024 * 1024
# Requests that wait for the EVM; a client with more in flight is told to slow down.
WAITING_MAX: Final = 256

# Idle connections are closed at once; an execution that still runs gets this long to answer.
SHUTDOWN_S: Final = 5

WARNING: Final = (
    "DEVELOPMENT CHAIN. Its accounts and keys are public, its money is worth nothing, and it\n"
    "forgets everything when it stops. Never send real money to any of these addresses."
)

# JSON-RPC 2.0 section 5.1, and geth's code for a revert, by which clients know to decode `data`.
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
REJECTED: Final = -32000
REVERTED: Final = 3


def _error(request_id: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


class Dispatcher:
    """Answers JSON-RPC requests. Whatever a client can get wrong becomes an error object."""

    def __init__(self, evm: Evm, accounts: list[bytes]) -> None:
        self._methods = rpc.methods(evm, accounts)

    def answer(self, request: Any) -> dict[str, Any] | None:
        """Return the response to one request, or None if it is a notification (has no id)."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, INVALID_REQUEST, "a request is an object with a method")
        request_id, params = request.get("id"), request.get("params", [])
        if not isinstance(request_id, str | int | float | None):
            return _error(None, INVALID_REQUEST, "an id is a string, a number or null")
        if not isinstance(params, list):
            return _error(request_id, INVALID_PARAMS, "parameters are given by position")
        method = self._methods.get(request["method"])
        if method is None:
            return _error(request_id, METHOD_NOT_FOUND, f"no method {request['method'][:64]!r}")
        response = self._call(request_id, method, params)
        return response if "id" in request else None

    def _call(
        self, request_id: Any, method: Callable[..., Any], params: list[Any]
    ) -> dict[str, Any]:
        try:
            return {"jsonrpc": "2.0", "id": request_id, "result": method(*params)}
        except Reverted as error:
            return _error(request_id, REVERTED, "execution reverted", "0x" + error.data.hex())
        except UnknownBlock as error:
            return _error(request_id, REJECTED, f"block not found: {error}")
        except (ExecutionFailed, PyEVMError, RLPException, ValidationError) as error:
            return _error(request_id, REJECTED, str(error))
        except (rpc.InvalidParams, TypeError, ValueError, KeyError, OverflowError) as error:
            return _error(request_id, INVALID_PARAMS, f"invalid parameters: {error}")
        except Exception as error:  # a flaw of ours must not take the chain away from everybody
            return _error(request_id, INTERNAL_ERROR, f"{type(error).__name__}: {error}")

    def answer_body(self, body: bytes) -> Any:
        """Return what to send back for the body of one HTTP request; None for nothing."""
        try:
            decoded = load_json(body)
        except ValueError:
            return _error(None, PARSE_ERROR, "the body is not JSON")
        if not isinstance(decoded, list):
            return self.answer(decoded)
        if not 1 <= len(decoded) <= BATCH_REQUESTS_MAX:
            return _error(None, INVALID_REQUEST, f"a batch has 1 to {BATCH_REQUESTS_MAX} requests")
        answers = [answer for request in decoded if (answer := self.answer(request))]
        return answers or None


def _evm_thread() -> ThreadPoolExecutor:
    """One thread: py-evm is not thread-safe, and one by one is also the order that clients see."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evm")
    before = threading.stack_size(STACK_BYTES)
    executor.submit(int).result()  # the thread is created here, with that stack
    threading.stack_size(before)
    return executor


def create_app(evm: Evm | None = None) -> Starlette:
    """Return the ASGI application over a fresh chain (or the one given)."""
    accounts = dev_addresses()
    dispatcher = Dispatcher(evm or Evm(accounts), accounts)
    executor = _evm_thread()
    waiting = asyncio.Semaphore(WAITING_MAX)

    async def handle(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return JSONResponse(_error(None, INVALID_REQUEST, "the body is too large"), 413)
        if waiting.locked():
            return JSONResponse(_error(None, REJECTED, "too many requests are waiting"), 503)
        async with waiting:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(executor, dispatcher.answer_body, bytes(body))
        return Response(status_code=204) if answer is None else JSONResponse(answer)

    return Starlette(routes=[Route("/", handle, methods=["POST"])])


def banner(url: str, chain_id: int = CHAIN_ID) -> str:
    """Return what is printed at the start: the warning, the address, accounts and keys."""
    accounts = (
        f"  {to_checksum_address(key.public_key.to_canonical_address())}  {key.to_hex()}"
        for key in dev_keys()
    )
    return "\n".join([WARNING, f"{url}, chain id {chain_id}. Accounts and keys:", *accounts])


def _server(chain_id: int = CHAIN_ID) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(Evm(dev_addresses(), chain_id=chain_id)),
            ws="none",  # no WebSockets here; looking for a library imports deprecated ones
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
    )


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[str], None],
    server: uvicorn.Server | None = None,
) -> None:
    """Serve until `server.should_exit` is set or the task is cancelled; call `ready` with the URL.

    Port 0 takes a free one. Raises OSError when the port is taken.
    """
    with socket.create_server((host, port)) as listener:
        # asyncio sets this only on sockets that name their protocol, which create_server's do not;
        # without it every answer waits 40 ms for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel queues connections from here on, so nobody who reads the URL is refused.
        ready(f"http://{host}:{listener.getsockname()[1]}")
        await (server or _server()).serve(sockets=[listener])


def run(
    host: str = "127.0.0.1",
    port: int = 8545,
    ready_file: Path | None = None,
    chain_id: int = CHAIN_ID,
) -> None:
    """Run until SIGINT or SIGTERM, then return. Prints the address and the accounts.

    When it listens, `ready_file` gets {"url": ...}: written aside and renamed, so that whoever
    waits for the file never reads half of it. It is removed at the end.
    """
    server = _server(chain_id)

    def stop(*_: object) -> None:
        server.should_exit = True

    def ready(url: str) -> None:
        print(banner(url, chain_id), flush=True)
        if ready_file is not None:
            partial = ready_file.with_suffix(".partial")
            partial.write_text(json.dumps({"url": url}) + "\n", encoding="utf-8")
            partial.replace(ready_file)

    # Ours from before the first moment anybody can know that we run; uvicorn raises the signals
    # that it caught again when it is done, and then they must not kill us.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(serve(host, port, ready=ready, server=server))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
