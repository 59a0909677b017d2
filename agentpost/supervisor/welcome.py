"""What the first start tells its operator: the key, once, and lines to try at once."""

from __future__ import annotations

import textwrap

from agentpost.config import Config


def welcome(settings: Config, api_key: str, certificate: str) -> str:
    """The text for standard output; ``api_key`` is shown here and nowhere else ever after."""
    imap, smtp = settings.public_imap, settings.public_smtp
    base = settings.http_url
    return textwrap.dedent(f"""
        AgentPost runs. This is your API key; it is shown only this once:

            {api_key}

        Create an inbox:

            export AGENTPOST_API_KEY={api_key}
            curl -s {base}/api/v1/inboxes -H "Authorization: Bearer $AGENTPOST_API_KEY" \\
                 -H 'Content-Type: application/json' -d '{{"username": "support"}}'

        The same from Python:

            from agentpost import AgentPost
            client = AgentPost(api_key="{api_key}", base_url="{base}")
            print(client.inboxes.create(username="support").email)

        Read and send with any mail client (user name: the inbox's address; password: the
        password that came with the inbox, or the API key):

            IMAP   {imap.host}   port {imap.port}   SSL/TLS   normal password
            SMTP   {smtp.host}   port {smtp.port}   SSL/TLS   normal password

        The TLS certificate is {certificate}
        Settings: agentpost config
    """)
