"""What the Python client calls the operations and schemas of the API."""

from __future__ import annotations

import keyword
import re
from typing import Final

OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "get_me": ("me", "get"),
    "get_organization": ("org", "get"),
    "update_organization": ("org", "update"),
    "get_usage": ("org", "usage"),
    "create_environment": ("environments", "create"),
    "list_environments": ("environments", "list"),
    "get_environment": ("environments", "get"),
    "update_environment": ("environments", "update"),
    "delete_environment": ("environments", "delete"),
    "create_api_key": ("api_keys", "create"),
    "list_api_keys": ("api_keys", "list"),
    "get_api_key": ("api_keys", "get"),
    "update_api_key": ("api_keys", "update"),
    "revoke_api_key": ("api_keys", "revoke"),
    "rotate_api_key": ("api_keys", "rotate"),
    "create_inbox": ("inboxes", "create"),
    "list_inboxes": ("inboxes", "list"),
    "get_inbox": ("inboxes", "get"),
    "update_inbox": ("inboxes", "update"),
    "delete_inbox": ("inboxes", "delete"),
    "restore_inbox": ("inboxes", "restore"),
    "pause_inbox": ("inboxes", "pause"),
    "resume_inbox": ("inboxes", "resume"),
    "export_credentials": ("inboxes", "export_credentials"),
    "get_client_config": ("inboxes", "client_config"),
    "list_changes": ("inboxes", "changes"),
    "list_inbox_events": ("inboxes", "events"),
    "wait_for_message": ("inboxes", "wait"),
    "list_credentials": ("credentials", "list"),
    "create_credential": ("credentials", "create"),
    "revoke_credential": ("credentials", "revoke"),
    "rotate_credential": ("credentials", "rotate"),
    "list_messages": ("messages", "list"),
    "list_inbox_messages": ("messages", "list"),
    "search_messages": ("messages", "search"),
    "send_message": ("messages", "send"),
    "get_message": ("messages", "get"),
    "update_message": ("messages", "update"),
    "delete_message": ("messages", "delete"),
    "label_message": ("messages", "add_labels"),
    "unlabel_message": ("messages", "remove_labels"),
    "restore_message": ("messages", "restore"),
    "import_message": ("messages", "import_raw"),
    "get_messages": ("messages", "batch_get"),
    "update_messages": ("messages", "batch_update"),
    "delete_messages": ("messages", "batch_delete"),
    "reply_to_message": ("messages", "reply"),
    "reply_to_all": ("messages", "reply_all"),
    "forward_message": ("messages", "forward"),
    "get_raw": ("messages", "raw"),
    "get_delivery": ("messages", "delivery"),
    "list_attachments": ("attachments", "list"),
    "get_attachment": ("attachments", "get"),
    "get_attachment_content": ("attachments", "content"),
    "list_folders": ("folders", "list"),
    "create_folder": ("folders", "create"),
    "update_folder": ("folders", "update"),
    "delete_folder": ("folders", "delete"),
    "list_threads": ("threads", "list"),
    "list_inbox_threads": ("threads", "list"),
    "search_threads": ("threads", "search"),
    "get_thread": ("threads", "get"),
    "get_transcript": ("threads", "transcript"),
    "update_thread": ("threads", "update"),
    "delete_thread": ("threads", "delete"),
    "label_thread": ("threads", "add_labels"),
    "unlabel_thread": ("threads", "remove_labels"),
    "restore_thread": ("threads", "restore"),
    "list_labels": ("labels", "list"),
    "rename_label": ("labels", "rename"),
    "delete_label": ("labels", "delete"),
    "claim_messages": ("claims", "take"),
    "acknowledge_claim": ("claims", "acknowledge"),
    "give_claim_back": ("claims", "give_back"),
    "extend_claim": ("claims", "extend"),
    "list_events": ("events", "list"),
    "get_event": ("events", "get"),
    "create_draft": ("drafts", "create"),
    "list_drafts": ("drafts", "list"),
    "list_inbox_drafts": ("drafts", "list"),
    "get_draft": ("drafts", "get"),
    "update_draft": ("drafts", "update"),
    "delete_draft": ("drafts", "delete"),
    "send_draft": ("drafts", "send"),
    "get_deliverability": ("inboxes", "deliverability"),
    "create_domain": ("domains", "create"),
    "list_domains": ("domains", "list"),
    "get_domain": ("domains", "get"),
    "update_domain": ("domains", "update"),
    "delete_domain": ("domains", "delete"),
    "verify_domain": ("domains", "verify"),
    "get_zone_file": ("domains", "zone_file"),
    "put_catch_all": ("domains", "catch_all"),
    "create_upload_url": ("attachments", "get_upload_url"),
    "create_rule": ("filter_rules", "create"),
    "list_rules": ("filter_rules", "list"),
    "check_rules": ("filter_rules", "check"),
    "get_rule": ("filter_rules", "get"),
    "update_rule": ("filter_rules", "update"),
    "delete_rule": ("filter_rules", "delete"),
    "add_suppression": ("suppressions", "add"),
    "list_suppressions": ("suppressions", "list"),
    "remove_suppression": ("suppressions", "remove"),
    "list_approvals": ("approvals", "list"),
    "get_approval": ("approvals", "get"),
    "approve": ("approvals", "approve"),
    "reject": ("approvals", "reject"),
    "cancel_message": ("messages", "cancel"),
    "list_jobs": ("jobs", "list"),
    "retry_job": ("jobs", "retry"),
    "list_audit_log": ("audit_log", "list"),
    "create_export": ("exports", "create"),
    "list_exports": ("exports", "list"),
    "get_export": ("exports", "get"),
    "get_event_metrics": ("metrics", "events"),
    "get_usage_metrics": ("metrics", "usage"),
    "get_rate_metrics": ("metrics", "rates"),
    "create_webhook": ("webhooks", "create"),
    "list_webhooks": ("webhooks", "list"),
    "get_webhook": ("webhooks", "get"),
    "update_webhook": ("webhooks", "update"),
    "delete_webhook": ("webhooks", "delete"),
    "test_webhook": ("webhooks", "test"),
    "enable_webhook": ("webhooks", "enable"),
    "rotate_webhook_secret": ("webhooks", "rotate_secret"),
    "replay_webhook": ("webhooks", "replay"),
    "list_webhook_deliveries": ("webhooks", "deliveries"),
    "get_webhook_delivery": ("webhooks", "delivery"),
    "retry_webhook_delivery": ("webhooks", "retry"),
    "redeliver_event": ("webhooks", "redeliver"),
}
"""Operation to resource and method.  Two operations of one name are one method: without its first
argument it asks for all inboxes, with it for one."""

ELSEWHERE: Final = frozenset(
    {
        # The same under another path.
        "get_inbox_message",
        "send_message_alias",
        "search_messages_by_post",
        "search_threads_by_post",
        # What mail programs and browsers ask for.
        "get_well_known_autoconfig",
        "get_autoconfig",
        "post_autodiscover",
        # client.realtime
        "get_socket",
        "get_socket_alias",
        "stream_events",
        # Links, which bring their own permission, and a form for browsers.
        "put_file",
        "get_file",
        "upload_attachment",
        # Whoever runs the server, and Amazon, ask for these.
        "take_notification",
        "get_health",
        "get_readiness",
        "get_version",
    }
)
"""Operations that are no methods of the client."""

OMITTED: Final = {
    "get_transcript": frozenset({"format"}),
    "get_client_config": frozenset({"format"}),
    "get_raw": frozenset({"presigned"}),
    "get_attachment_content": frozenset({"presigned"}),
}
"""Parameters that make an answer of another kind."""

LINKS: Final = {"get_raw": "raw_link", "get_attachment_content": "link"}
"""Operations that answer octets, or with ``presigned`` a link to them: the method for the link."""

RESOURCES: Final = {
    "me": "Who the key belongs to and what it may do.",
    "org": "The organization.",
    "environments": "Environments: tenants inside the organization.",
    "api_keys": "API keys.",
    "inboxes": "Inboxes: addresses that send and receive.",
    "credentials": "Passwords of one inbox for mail programs.",
    "messages": "Messages, sent and received.",
    "attachments": "Files in messages.",
    "folders": "The mailboxes of an inbox, as mail programs see them.",
    "threads": "Conversations.",
    "labels": "Labels on messages.",
    "drafts": "Messages that are not sent yet.",
    "domains": "Domains of your own.",
    "filter_rules": "Whom inboxes may write to, and whose mail they take.",
    "suppressions": "Addresses that are not written to any longer.",
    "approvals": "Messages that wait for somebody to let them go.",
    "jobs": "Work that waits or has failed.",
    "claims": "An inbox as a work queue: messages leased to one worker at a time.",
    "events": "What happened.",
    "audit_log": "Who did what.",
    "exports": "Files of mail or of the audit log.",
    "metrics": "Numbers over time.",
    "webhooks": "Addresses that are told what happens.",
}
"""Attribute of the client to what stands behind it."""

SCHEMAS: Final = {
    "MeBody": "Identity",
    "KeyBody": "ApiKey",
    "FieldBody": "HeaderField",
    "ResultBody": "BatchResult",
    "ResultsBody": "BatchResults",
    "ResultErrorBody": "BatchError",
    "ServerBody": "MailServer",
    "SecureServerBody": "SecureMailServer",
    "RecipientBody": "RecipientParam",
    "FileBody": "FileParam",
    "HeaderBody": "HeaderParam",
    "ClaimFilterBody": "ClaimFilterParam",
    "DraftAttachmentBody": "DraftAttachment",
    "EditsBody": "EditsParam",
}
"""Schemas whose name is not simply that of the server without ``Body``."""


def model(schema: str) -> str:
    """The name of a schema as a Python class."""
    return SCHEMAS.get(schema) or schema.removesuffix("Body")


def argument(name: str) -> str:
    """The name of a field or parameter as a Python argument."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def path_argument(name: str) -> str:
    """The name of a path's variable: ids say that they are ids, names do not."""
    return argument(name) if name in ("folder", "label", "name", "address") else f"{name}_id"


def class_name(resource: str) -> str:
    """The class behind an attribute of the client."""
    return "".join(part.capitalize() for part in resource.split("_"))
