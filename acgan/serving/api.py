"""The HTTP interface, as FastAPI describes it under /openapi.json."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from acgan.drawing.ask import MOST_SEED
from acgan.drawing.chance import seed_of_name
from acgan.drawing.enlarge import ScaleBy
from acgan.serving.desk import MOST_BEST_OF, MOST_PICTURES, MOST_SIDE_PX, Busy, Desk, Wish
from avatar_common.errors import UserError

PAGE = Path(__file__).resolve().parent / "page"
BODY_WITHIN_S = 10.0
T = TypeVar("T")
WEEK_S = 7 * 24 * 3600
OWN = ("model", "seed", "index", "size", "scale_by", "best_of", "fold_case")
SHARED = {"access-control-allow-origin": "*", "cache-control": f"public, max-age={WEEK_S}"}
PNG_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The avatar, its recipe inside"},
    400: {"description": "An attribute, class or name that cannot be; `error` says which"},
    404: {"description": "No such model"},
    429: {"description": "This client draws too much; see Retry-After"},
    503: {"description": "Too many wait; see Retry-After"},
}
ATTRIBUTES = {
    "parameters": [
        {
            "name": "attributes",
            "in": "query",
            "style": "form",
            "explode": True,
            "description": "Any attribute of the model: hair_color=blue",
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    ]
}

PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A PNG, JPEG or WebP whose face fills a square",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}

ModelName = Annotated[str | None, Query(max_length=200, description="A model of /models")]
Size = Annotated[int | None, Query(ge=1, le=MOST_SIDE_PX, description="Side in px")]
By = Annotated[ScaleBy, Query(description="detail, smooth, or pixels")]
BestOf = Annotated[int, Query(ge=1, le=MOST_BEST_OF, description="Draw N, keep the best")]
Seed = Annotated[int, Query(ge=0, le=MOST_SEED)]
Index = Annotated[int, Query(ge=0, le=MOST_SEED, description="Which picture of the seed")]
Fold = Annotated[bool, Query(description="Whether Alice and alice are one")]


def build_api(desk: Desk, page: bool) -> FastAPI:
    """All routes. The page's files lie at the root."""
    api = FastAPI(
        title="Avatars",
        description="Anime avatars to order: by name, by seed, by attribute.",
        docs_url=None,
        redoc_url=None,
    )
    add_errors(api)
    add_avatars(api, desk)
    add_models(api, desk)
    add_recipes(api, desk)
    add_pictures(api, desk)
    if page:
        api.mount("/", StaticFiles(directory=PAGE, html=True))
    return api


def add_avatars(api: FastAPI, desk: Desk) -> None:
    """Single pictures: of a name, of a seed."""
    library = desk.library

    async def answer(request: Request, wish: Wish) -> Response:
        data, etag = await desk.avatar(client_of(request), wish)
        headers = {**SHARED, "etag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/png", headers=headers)

    @api.get(
        "/avatar/{name:path}.png", response_class=Response, responses=PNG_ANSWER,
        openapi_extra=ATTRIBUTES, summary="The face of a name: for ever the same with one model",
    )  # fmt: skip
    async def by_name(
        request: Request,
        name: str,
        model: ModelName = None,
        size: Size = None,
        scale_by: By = "detail",
        best_of: BestOf = 1,
        fold_case: Fold = False,
    ) -> Response:
        seed = seed_of_name(name, fold_case=fold_case)
        wish = Wish(
            model or library.names[0], seed, 0, size, scale_by, best_of, attributes_of(request)
        )
        return await answer(request, wish)

    @api.get(
        "/avatar", response_class=Response, responses=PNG_ANSWER, openapi_extra=ATTRIBUTES,
        summary="A picture of a seed",
    )  # fmt: skip
    async def by_seed(
        request: Request,
        seed: Seed,
        index: Index = 0,
        model: ModelName = None,
        size: Size = None,
        scale_by: By = "detail",
        best_of: BestOf = 1,
    ) -> Response:
        wish = Wish(
            model or library.names[0], seed, index, size, scale_by, best_of, attributes_of(request)
        )
        return await answer(request, wish)

    for path, handler in (("/avatar/{name:path}.png", by_name), ("/avatar", by_seed)):
        api.head(path, response_class=Response, include_in_schema=False)(handler)


def add_models(api: FastAPI, desk: Desk) -> None:
    """What can be asked for, and whether the server draws."""
    library = desk.library

    @api.get("/models", summary="What can be asked for")
    async def models() -> dict[str, Any]:
        return {
            "models": [
                {
                    "name": name,
                    "image_size": info.image_size,
                    "attributes": {g.name: list(g.classes) for g in info.vocabulary},
                }
                for name, info in library.infos.items()
            ],
            "limits": {"size": MOST_SIDE_PX, "best_of": MOST_BEST_OF, "pictures": MOST_PICTURES},
        }

    @api.get("/models/{name}", summary="All that is known of a model")
    async def model(request: Request, name: str) -> JSONResponse:
        return JSONResponse(await desk.describe(client_of(request), name))

    @api.get("/health", summary="Whether the server draws")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": library.names[0]}


def add_recipes(api: FastAPI, desk: Desk) -> None:
    """Pictures of whole recipes, drawn or ranked."""

    @api.post(
        "/draw", response_class=Response, responses=PNG_ANSWER,
        summary="The pictures of a recipe, one below the other",
    )  # fmt: skip
    async def draw(request: Request) -> Response:
        content = await body_of(request)
        return Response(await desk.draw(client_of(request), content), media_type="image/png")

    @api.post("/rank", summary="How the pictures of a recipe rank for best of N")
    async def rank(request: Request) -> dict[str, Any]:
        return {"ranks": await desk.rank(client_of(request), await body_of(request))}


def add_pictures(api: FastAPI, desk: Desk) -> None:
    """Pictures that the user brings: what is most like them, and with other colours."""
    library = desk.library

    @api.post(
        "/find", openapi_extra=PICTURE_BODY,
        summary="What a model draws most like the picture in the body: a recipe",
    )  # fmt: skip
    async def find(request: Request, model: ModelName = None) -> dict[str, Any]:
        data = await bytes_of(request)
        work = desk.find(client_of(request), model or library.names[0], data)
        return await while_waited_for(request, work)

    @api.post(
        "/edit", response_class=Response, responses=PNG_ANSWER,
        openapi_extra=PICTURE_BODY | ATTRIBUTES,
        summary="The picture in the body with other hair or eye colours",
    )  # fmt: skip
    async def edit(request: Request, model: ModelName = None, size: Size = None) -> Response:
        data, name = await bytes_of(request), model or library.names[0]
        work = desk.edit(client_of(request), name, data, attributes_of(request), size)
        return Response(await while_waited_for(request, work), media_type="image/png")


def attributes_of(request: Request) -> tuple[str, ...]:
    """What the query asks of the face: all but the parameters of the interface itself."""
    found = request.query_params.multi_items()
    return tuple(sorted(f"{k}={v}"[:200] for k, v in found if k not in OWN))


def client_of(request: Request) -> str:
    """Who asks: the address, by the word of a trusted proxy where there is one."""
    return request.client.host if request.client else ""


async def body_of(request: Request) -> Any:
    """The JSON of a body. Raises `UserError`."""
    try:
        return json.loads(await bytes_of(request))
    except (ValueError, RecursionError):
        raise UserError("the body is not JSON") from None


async def bytes_of(request: Request) -> bytes:
    """A body. Raises `UserError` where it does not arrive."""
    try:
        return await asyncio.wait_for(request.body(), BODY_WITHIN_S)
    except (TimeoutError, ClientDisconnect):
        raise UserError("the body did not arrive") from None


async def while_waited_for(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; where the client leaves first, what has not begun is never done."""
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise UserError("nobody waits for the answer")
        return task.result()
    finally:
        task.cancel()
        left.cancel()


def add_errors(api: FastAPI) -> None:
    """Errors as JSON: `error` in a line, never a traceback."""

    @api.exception_handler(UserError)
    async def user_error(request: Request, error: UserError) -> JSONResponse:
        status = 404 if error.what.startswith("no model") else 400
        known = error.where and not Path(error.where).is_absolute()  # what lies where is not told
        content = {"error": f"{error.where}: {error.what}" if known else error.what}
        return JSONResponse(content | ({"hint": error.hint} if error.hint else {}), status)

    @api.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        text = "too many pictures for one client" if error.status == 429 else "too many wait"
        headers = {"retry-after": str(math.ceil(error.wait_s))}
        return JSONResponse({"error": text}, error.status, headers)

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()[0]
        where = str(found["loc"][-1])[:60]
        return JSONResponse({"error": f"{where}: {found['msg']}"}, 400)

    @api.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
