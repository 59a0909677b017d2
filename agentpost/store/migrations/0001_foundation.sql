-- The data model (ARCHITECTURE.md, "The store").
--
-- Ids are text ULIDs with a prefix, compared octet by octet.  Every tenant row carries its
-- organization, and row level security shows only the organizations that the transaction named.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Row level security shows what the setting agentpost.organizations names: a comma-separated list
-- of organizations, or '*' for the server's own work (login, local delivery, jobs), or nothing.
-- The policies at the end read it in sub-selects, once a statement and not once a row.

-- The tables of the write path have no CHECK constraints: PostgreSQL prepares each anew for every
-- statement, which is a tenth of what storing a message costs.  `agentpost check` looks instead.
CREATE TABLE organizations (
    id          text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL,
    slug        text NOT NULL UNIQUE,
    tier        text NOT NULL CHECK (tier IN ('free', 'starter', 'team', 'enterprise')),
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE environments (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations,
    name             text NOT NULL,
    slug             text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('live', 'dev', 'test')),
    is_default       boolean NOT NULL DEFAULT false,
    client_id        text,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, slug),
    UNIQUE (organization_id, client_id)
);
CREATE UNIQUE INDEX environments_default ON environments (organization_id) WHERE is_default;

CREATE TABLE api_keys (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations,
    name             text NOT NULL,
    prefix           text NOT NULL,
    secret_hash      bytea NOT NULL UNIQUE,
    scopes           text[] NOT NULL,
    environment_ids  text[],
    inbox_ids        text[],
    ip_allow         text[] NOT NULL DEFAULT '{}',
    client_id        text,
    expires_at       timestamptz,
    revoked_at       timestamptz,
    last_used_at     timestamptz,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, client_id)
);
COMMENT ON COLUMN api_keys.environment_ids IS 'null: every environment of the organization';
COMMENT ON COLUMN api_keys.inbox_ids IS 'null: every inbox of those environments';

CREATE TABLE inboxes (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations,
    environment_id   text COLLATE "C" NOT NULL REFERENCES environments,
    address          text COLLATE "C" NOT NULL UNIQUE,
    username         text NOT NULL,
    domain           text NOT NULL,
    display_name     text,
    client_id        text,
    metadata         jsonb NOT NULL DEFAULT '{}',
    labels           text[] NOT NULL DEFAULT '{}',
    settings         jsonb NOT NULL DEFAULT '{}',
    signature        text,
    modseq           bigint NOT NULL DEFAULT 1,
    last_uidvalidity bigint NOT NULL DEFAULT 0,
    retired_uidvalidity bigint NOT NULL DEFAULT 0,
    version          bigint NOT NULL DEFAULT 1,
    send_paused      boolean NOT NULL DEFAULT false,
    paused_reason    text,
    paused_at        timestamptz,
    paused_by        text,
    deleted_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment_id, client_id)
) WITH (fillfactor = 70);
COMMENT ON COLUMN inboxes.modseq IS
    'The one counter of everything in the inbox: HIGHESTMODSEQ, REST changes. Never a sequence.';
COMMENT ON COLUMN inboxes.retired_uidvalidity IS 'the highest that any mailbox name has lost';
COMMENT ON COLUMN inboxes.version IS 'counts changes of the inbox row itself: its ETag';
CREATE INDEX inboxes_by_environment ON inboxes (environment_id, id);
CREATE INDEX inboxes_by_organization ON inboxes (organization_id, id);

CREATE TABLE mail_credentials (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    name             text NOT NULL,
    secret_hash      bytea NOT NULL UNIQUE,
    scram            text NOT NULL,
    sealed           bytea,
    protocols        text[] NOT NULL DEFAULT '{imap,smtp}',
    read_only        boolean NOT NULL DEFAULT false,
    expires_at       timestamptz,
    revoked_at       timestamptz,
    last_used_at     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_credentials_by_inbox ON mail_credentials (inbox_id, id);

CREATE TABLE blobs (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    sha256           bytea NOT NULL,
    size             integer NOT NULL,
    octets           bytea,
    location         text,
    uses             smallint NOT NULL
);
-- Mail is mostly encoded already: compressing it costs more than the disk it saves.
COMMENT ON COLUMN blobs.uses IS 'messages and relays that need the octets; at 0 the row goes';
ALTER TABLE blobs ALTER COLUMN octets SET STORAGE EXTERNAL;

CREATE TABLE mailboxes (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    role             text,
    uidvalidity      bigint NOT NULL,
    uidnext          bigint NOT NULL DEFAULT 1,
    recent_from      bigint NOT NULL DEFAULT 1,
    modseq           bigint NOT NULL DEFAULT 1,
    keywords         text[] NOT NULL DEFAULT '{}',
    subscribed       boolean NOT NULL DEFAULT true,
    selectable       boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (inbox_id, name)
) WITH (fillfactor = 70);
COMMENT ON COLUMN mailboxes.modseq IS 'the inbox counter at the last change in this mailbox';
COMMENT ON COLUMN mailboxes.recent_from IS 'first uid that no session has been told as \Recent';
COMMENT ON COLUMN mailboxes.keywords IS 'keywords ever used here, spelled as first seen';
CREATE UNIQUE INDEX mailboxes_role ON mailboxes (inbox_id, role) WHERE role IS NOT NULL;

-- A name may stay subscribed after its mailbox is gone (RFC 9051 section 6.3.7).
CREATE TABLE subscriptions (
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    PRIMARY KEY (inbox_id, name)
);

CREATE TABLE threads (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    subject          text NOT NULL,
    labels           text[] NOT NULL DEFAULT '{}',
    version          bigint NOT NULL DEFAULT 1,
    last_message_at  timestamptz NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX threads_by_inbox ON threads (inbox_id, last_message_at DESC, id DESC);
CREATE INDEX threads_by_environment ON threads (environment_id, last_message_at DESC, id DESC);

-- Which thread a Message-ID belongs to; a referenced id counts before its message has come.
CREATE TABLE thread_refs (
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    ref              bytea NOT NULL,
    thread_id        text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C",
    PRIMARY KEY (inbox_id, ref)
);
COMMENT ON COLUMN thread_refs.message_id IS 'the first message here that had this Message-ID';
COMMENT ON COLUMN thread_refs.ref IS 'first 16 octets of the SHA-256 of the Message-ID';

CREATE TABLE messages (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    thread_id        text COLLATE "C" NOT NULL,
    blob_id          text COLLATE "C" NOT NULL,
    direction        text NOT NULL,
    source           text NOT NULL,
    size             integer NOT NULL,
    subject          text NOT NULL,
    sender           jsonb NOT NULL,
    recipients       jsonb NOT NULL,
    rfc_message_id   text,
    in_reply_to      text,
    reference_ids    text[] NOT NULL DEFAULT '{}',
    sent_at          timestamptz,
    envelope         bytea NOT NULL,
    body             bytea NOT NULL,
    bodystructure    bytea NOT NULL,
    parts            bytea NOT NULL,
    preview          text NOT NULL,
    attachments      smallint NOT NULL DEFAULT 0,
    automated        boolean NOT NULL DEFAULT false,
    delivered_to     text,
    authentication   jsonb NOT NULL DEFAULT '{}',
    metadata         jsonb NOT NULL DEFAULT '{}',
    state            text NOT NULL,
    fingerprint      bytea,
    created_modseq   bigint NOT NULL,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);
COMMENT ON COLUMN messages.sender IS '{"from": [...], "sender": [...], "reply_to": [...]}';
COMMENT ON COLUMN messages.recipients IS '{"to": [...], "cc": [...], "bcc": [...]}';
COMMENT ON COLUMN messages.fingerprint IS
    'what a submission looked like, so that its repetition is recognised';
COMMENT ON COLUMN messages.state IS
    'received | blocked | draft | stored | queued | sent | delivered | bounced | complained | rejected | failed';
ALTER TABLE messages ALTER COLUMN envelope SET STORAGE EXTERNAL;
ALTER TABLE messages ALTER COLUMN bodystructure SET STORAGE EXTERNAL;
ALTER TABLE messages ALTER COLUMN parts SET STORAGE EXTERNAL;
CREATE INDEX messages_by_inbox ON messages (inbox_id, id);
CREATE INDEX messages_by_thread ON messages (thread_id, id);

-- Messages that search does not know yet.  A mark in the message would rewrite all of it, and its
-- entries in every index, when it is taken away.
CREATE TABLE unindexed (
    inbox_id         text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (inbox_id, message_id)
);

CREATE TABLE placements (
    mailbox_id       bigint NOT NULL,
    uid              bigint NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C" NOT NULL,
    flags            smallint NOT NULL DEFAULT 0,
    keywords         text[] NOT NULL DEFAULT '{}',
    modseq           bigint NOT NULL,
    size             integer NOT NULL,
    internal_date    timestamptz NOT NULL,
    zone             smallint NOT NULL DEFAULT 0,
    save_date        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mailbox_id, uid)
) WITH (fillfactor = 80);
COMMENT ON COLUMN placements.flags IS '1 \Seen, 2 \Answered, 4 \Flagged, 8 \Deleted, 16 \Draft';
COMMENT ON COLUMN placements.zone IS 'minutes east of UTC that INTERNALDATE is shown in';
CREATE INDEX placements_by_message ON placements (message_id);

-- Where flags have changed since messages came: the latest modseq of each block of 128 uids.  With
-- it no index holds the modseqs of placements, and a change of flags writes no index at all.
CREATE TABLE changed_blocks (
    mailbox_id       bigint NOT NULL REFERENCES mailboxes ON DELETE CASCADE,
    block            bigint NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    modseq           bigint NOT NULL,
    PRIMARY KEY (mailbox_id, block)
) WITH (fillfactor = 50);
COMMENT ON COLUMN changed_blocks.block IS 'uid >> 7';

CREATE TABLE expunged (
    mailbox_id       bigint NOT NULL,
    uid              bigint NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C" NOT NULL,
    modseq           bigint NOT NULL,
    PRIMARY KEY (mailbox_id, uid)
);
CREATE INDEX expunged_by_modseq ON expunged (mailbox_id, modseq);
CREATE INDEX expunged_by_inbox ON expunged (inbox_id, modseq);

-- A draft is a message in Drafts; this row exists when REST gave it an id of its own.
CREATE TABLE drafts (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C" NOT NULL UNIQUE,
    client_id        text,
    in_reply_to      text COLLATE "C",
    reply_all        boolean NOT NULL DEFAULT false,
    forward_of       text COLLATE "C",
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment_id, client_id)
);
CREATE INDEX drafts_by_inbox ON drafts (inbox_id, id);

CREATE TABLE deliveries (
    message_id       text COLLATE "C" NOT NULL,
    recipient        text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    state            text NOT NULL,
    local            boolean NOT NULL DEFAULT false,
    attempts         smallint NOT NULL DEFAULT 0,
    status           text,
    diagnostic       text,
    options          jsonb NOT NULL DEFAULT '{}',
    provider_id      text,
    history          jsonb NOT NULL DEFAULT '[]',
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, recipient)
);

-- Octets that a relay job still needs, kept apart from the message its sender may delete.
CREATE TABLE relays (
    message_id       text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    blob_id          text COLLATE "C" NOT NULL,
    reverse_path     text NOT NULL,
    options          jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE message_texts (
    message_id       text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    headers          text NOT NULL,
    body             text NOT NULL
);
CREATE INDEX message_texts_by_inbox ON message_texts (inbox_id);
CREATE INDEX message_texts_headers ON message_texts USING gin (headers gin_trgm_ops);
CREATE INDEX message_texts_body ON message_texts USING gin (body gin_trgm_ops);

-- Events read in commit order without a counter row that would serialise all commits: seq leads
-- with the transaction, and readers stop below the oldest transaction that is still running.
--
-- Another cluster counts its transactions from the beginning.  What is added to them, so that seq
-- goes on, is the answer of a function: the planner puts it in as a constant, so that it costs an
-- event nothing, and a dump takes it along.  store/epoch.py replaces it.  It is STABLE, because of
-- an IMMUTABLE one plans do not notice that it was replaced.
CREATE FUNCTION event_epoch() RETURNS bigint
LANGUAGE sql STABLE
RETURN 0::bigint;

-- Where events of this transaction begin, behind those of every earlier one.
CREATE FUNCTION transaction_seq() RETURNS bigint
LANGUAGE sql STABLE
RETURN (pg_current_xact_id()::text::bigint + event_epoch()) << 20;

CREATE SEQUENCE event_ordinals MINVALUE 0 MAXVALUE 1048575 CYCLE CACHE 1;
CREATE TABLE events (
    environment_id   text COLLATE "C" NOT NULL,
    seq              bigint NOT NULL DEFAULT (transaction_seq() | nextval('event_ordinals')),
    id               text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C",
    type             text NOT NULL,
    modseq           bigint,
    data             jsonb NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, seq)
);
CREATE INDEX events_by_id ON events (id);

CREATE FUNCTION settled_seq() RETURNS bigint
LANGUAGE sql STABLE
RETURN (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + event_epoch()) << 20;

CREATE TABLE jobs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id  text COLLATE "C",
    kind             text NOT NULL,
    payload          jsonb NOT NULL DEFAULT '{}',
    run_at           timestamptz NOT NULL DEFAULT now(),
    attempts         smallint NOT NULL DEFAULT 0,
    leased_until     timestamptz,
    state            text NOT NULL DEFAULT 'ready',
    last_error       text,
    created_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX jobs_ready ON jobs (kind, run_at) WHERE state = 'ready';

CREATE TABLE idempotency (
    environment_id   text COLLATE "C" NOT NULL,
    key              text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    request_hash     bytea NOT NULL,
    status           smallint NOT NULL,
    body             bytea NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE audit (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C",
    actor            text NOT NULL,
    action           text NOT NULL,
    resource         text,
    detail           jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_by_organization ON audit (organization_id, id);

-- Mails an organization has sent, by day (tier limits, R102-R105).
CREATE TABLE usage (
    organization_id  text COLLATE "C" NOT NULL,
    day              date NOT NULL,
    mails            bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, day)
);

-- Settings of the deployment that are made once: seals, signing secrets.
CREATE TABLE deployment (
    name             text PRIMARY KEY,
    value            bytea NOT NULL
);

-- The second wall: a tenant's table shows the rows of those organizations that the transaction says.
CREATE FUNCTION wall_off(VARIADIC tenant_tables text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY tenant_tables LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING ('
            '(SELECT current_setting(''agentpost.organizations'', true) = ''*'')'
            ' OR organization_id = ANY ((SELECT string_to_array('
            'current_setting(''agentpost.organizations'', true), '',''))::text[]))', tenant_table);
    END LOOP;
END
$$;
SELECT wall_off('environments', 'api_keys', 'inboxes', 'mail_credentials', 'blobs', 'mailboxes',
        'subscriptions', 'threads', 'thread_refs', 'messages', 'unindexed', 'placements',
        'changed_blocks', 'expunged',
        'drafts', 'deliveries', 'relays', 'message_texts', 'events', 'idempotency',
        'audit', 'usage');
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations USING (
    (SELECT current_setting('agentpost.organizations', true) = '*')
    OR id = ANY ((SELECT string_to_array(
        current_setting('agentpost.organizations', true), ','))::text[]));
