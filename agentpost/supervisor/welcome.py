"""What the first start tells its operator: the key, once, and lines to try at once."""

from __future__ import annotations

import textwrap

from agentpost.config import Config


def welcome(settings: Config, api_key: str, certificate: str) -> str:
    """The text for standard output; ``api_key`` is shown here and nowhere else ever after.

    A key that the operator gave is not repeated: this text ends in the logs of containers.
    """
    imap, smtp = settings.client_imap, settings.client_smtp
    base = settings.http_url
    if settings.bootstrap_key is None:
        first = f"This is your API key; it is shown only this once:\n\n    {api_key}"
        export = f"export AGENTPOST_API_KEY={api_key}"
    else:
        first = "Your API key is the one in bootstrap_key (AGENTPOST_BOOTSTRAP_KEY)."
        export = "export AGENTPOST_API_KEY=...   # that key"
    if settings.tls_cert is None or settings.tls_cert.is_relative_to(settings.data_dir):
        trust = f'ssl.create_default_context(cafile="{certificate}")'
    else:
        trust = "ssl.create_default_context()"
    return textwrap.dedent("""
        AgentPost runs. {first}

        Create an inbox; the answer holds its address and its mail password:

            {export}
            curl -s {base}/api/v1/inboxes -H "Authorization: Bearer $AGENTPOST_API_KEY" \\
                 -H 'Content-Type: application/json' -d '{{"username": "support"}}'

        Send it a mail from Python, with the address and the password of that answer:

            import smtplib, ssl
            from email.message import EmailMessage
            address, password = "support-...@{domain}", "ap_mail_..."
            message = EmailMessage()
            message["From"] = message["To"] = address
            message["Subject"] = "Hello"
            message.set_content("It works.")
            tls = {trust}
            with smtplib.SMTP_SSL("{smtp.host}", {smtp.port}, context=tls) as server:
                server.login(address, password)
                server.send_message(message)

        Read and send with any mail client (user name: the address; password: the same, or an
        API key):

            IMAP   {imap.host}   port {imap.port}   SSL/TLS   normal password
            SMTP   {smtp.host}   port {smtp.port}   SSL/TLS   normal password

        The TLS certificate is {certificate}
        Settings: agentpost config      Is all well? agentpost doctor
    """).format(
        first=first,
        export=export,
        base=base,
        domain=settings.shared_domain,
        trust=trust,
        smtp=smtp,
        imap=imap,
        certificate=certificate,
    )
