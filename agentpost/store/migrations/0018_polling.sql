-- Polling webhooks: who reads events by asking for them, and how far each reader has come.
--
-- Nothing is queued.  The event log is in order and resumes exactly, so that a reader is a position
-- in it; what it was given last is remembered by the seqs of these events, until it says how far it
-- has come.

CREATE TABLE polling_webhooks (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations ON DELETE CASCADE,
    environment_id   text COLLATE "C" REFERENCES environments ON DELETE CASCADE,
    inbox_id         text COLLATE "C" REFERENCES inboxes ON DELETE CASCADE,
    client_id        text NOT NULL,
    event_types      text[] NOT NULL,
    environment_ids  text[],
    inbox_ids        text[],
    within           text[],
    key_id           text COLLATE "C" NOT NULL,
    token_hash       bytea NOT NULL UNIQUE,
    starts_after     bigint NOT NULL DEFAULT transaction_seq(),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (organization_id, environment_id, inbox_id, client_id)
);
COMMENT ON COLUMN polling_webhooks.environment_id IS
    'where it was made, as inbox_id; both null: the organization';
COMMENT ON COLUMN polling_webhooks.environment_ids IS
    'what happens in them is told, and what happens in inbox_ids; both null: whatever the key reaches';
COMMENT ON COLUMN polling_webhooks.within IS 'the environments of all of these';
COMMENT ON COLUMN polling_webhooks.key_id IS 'the key whose rights the token has';
COMMENT ON COLUMN polling_webhooks.token_hash IS 'SHA-256';
COMMENT ON COLUMN polling_webhooks.starts_after IS
    'told is what happened after the transaction that made it: its seq is beyond this';
CREATE INDEX polling_webhooks_by_inbox ON polling_webhooks (inbox_id);
CREATE INDEX polling_webhooks_by_environment ON polling_webhooks (environment_id);

CREATE TABLE polling_consumers (
    webhook_id       text COLLATE "C" NOT NULL REFERENCES polling_webhooks ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    position         bigint NOT NULL,
    next_offset      integer NOT NULL DEFAULT 1,
    given            bigint[] NOT NULL DEFAULT '{}',
    leased_until     timestamptz,
    seen_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_id, name)
) WITH (fillfactor = 50);
COMMENT ON COLUMN polling_consumers.position IS 'events up to this seq are done with';
COMMENT ON COLUMN polling_consumers.next_offset IS
    'of the first in given, which the others follow; 32 bits, as the libraries of some languages have';
COMMENT ON COLUMN polling_consumers.given IS 'seqs that were given and not committed yet';

SELECT wall_off('polling_webhooks', 'polling_consumers');
