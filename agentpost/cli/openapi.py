"""``agentpost openapi``: the description of the REST API, without a server."""

from __future__ import annotations

import json

import click


@click.command("openapi")
@click.option("--compact", is_flag=True, help="On one line.")
def openapi_command(*, compact: bool) -> None:
    """Print the OpenAPI 3.1 document of the REST API.

    \b
    Example:
      agentpost openapi > openapi.json
    """
    from agentpost.http import openapi
    from agentpost.http.resources import RESOURCES, meta
    from agentpost.version import version

    endpoints = [*meta.routes.endpoints]
    for routes in RESOURCES:
        endpoints += routes.endpoints
    endpoints += meta.documentation(endpoints, version()).endpoints
    document = openapi.document(endpoints, version())
    click.echo(json.dumps(document, indent=None if compact else 2, ensure_ascii=False))
