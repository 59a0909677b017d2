-- The queue's lease and the outcome of relaying.

-- A leased job is due again when its lease is over: run_at moves there, and one index serves all.
COMMENT ON COLUMN jobs.leased_until IS 'equal to run_at while a worker has the job';
CREATE INDEX jobs_failed ON jobs (created_at) WHERE state = 'failed';

-- A standing job exists once; its row comes back after each run.
ALTER TABLE jobs ADD COLUMN standing boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX jobs_standing ON jobs (kind) WHERE standing;

ALTER TABLE relays ADD COLUMN accepted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN relays.accepted IS 'some server took it: message.sent has been told';

ALTER TABLE environments ADD COLUMN relay text;
COMMENT ON COLUMN environments.relay IS 'null: what the deployment is set to';

ALTER TABLE deliveries ADD COLUMN relay text, ADD COLUMN begun_at timestamptz;
COMMENT ON COLUMN deliveries.attempts IS
    'number of the last attempt for the message that this recipient was part of';
COMMENT ON COLUMN deliveries.relay IS 'the transport of that attempt';
COMMENT ON COLUMN deliveries.begun_at IS 'when that attempt was committed, before it was made';

-- What is known of the way on which a provider's events come: whether their absence proves
-- anything.  One row.
CREATE TABLE feedback_line (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    heard_at  timestamptz NOT NULL DEFAULT '-infinity',
    up_since  timestamptz NOT NULL DEFAULT now(),
    up_at     timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO feedback_line DEFAULT VALUES;
COMMENT ON COLUMN feedback_line.heard_at IS 'when the latest attempt began that an event told of';
COMMENT ON COLUMN feedback_line.up_since IS 'some server has listened without a break since then';
COMMENT ON COLUMN feedback_line.up_at IS 'when a server last said that it listens';

-- Marks what is about to be sent and tells everything that sending needs.
--
-- A recipient found in state sending was on its way when a worker died or an answer was lost.  It
-- is sent again at once, unless it went by a transport of p_once: then it is in doubt, and sent
-- again after p_wait, if at all: always, never, or when it is proven that it was not sent.  The
-- proof is silence on a line that is known to work: an event has come about an attempt that began
-- later, and some server has been listening ever since this one began.  SNS repeats for a minute
-- what it could not hand over, so that half a minute without a listener loses nothing.
--
-- The lock on its relay keeps a cancellation from coming in between (cancel_message in
-- 0011_holds.sql).
CREATE FUNCTION begin_relays(
    ids text[], p_relay text DEFAULT 'simulator', p_once text[] DEFAULT '{}',
    p_wait interval DEFAULT '0', p_resend text DEFAULT 'never'
) RETURNS TABLE (
    message_id text, organization_id text, environment_id text, inbox_id text, thread_id text,
    kind text, reverse_path text, options jsonb, created_at timestamptz, octets bytea,
    location text, relay text, attempt integer, recipients jsonb, in_doubt jsonb
)
LANGUAGE sql SET enable_seqscan = off AS $$
    WITH waiting AS (
        SELECT r.message_id FROM relays r WHERE r.message_id = ANY (ids)
        ORDER BY r.message_id FOR UPDATE
    ), wanted AS (
        SELECT r.message_id,
            CASE WHEN e.kind = 'test' THEN 'simulator' ELSE coalesce(e.relay, p_relay) END AS relay,
            coalesce((SELECT max(d.attempts) FROM deliveries d
                WHERE d.message_id = r.message_id AND NOT d.local), 0) + 1 AS attempt
        FROM waiting w JOIN relays r ON r.message_id = w.message_id
        JOIN environments e ON e.id = r.environment_id
    ), marked AS (
        UPDATE deliveries d SET state = 'sending', attempts = w.attempt, relay = w.relay,
            begun_at = now(), updated_at = now()
        FROM wanted w
        WHERE d.message_id = w.message_id AND NOT d.local AND (
            d.state IN ('queued', 'deferred')
            OR d.state = 'sending' AND (
                d.relay IS NULL OR d.relay <> ALL (p_once)
                OR d.begun_at <= now() - p_wait AND (
                    p_resend = 'always'
                    OR p_resend = 'proven' AND EXISTS (
                        SELECT 1 FROM feedback_line f WHERE f.heard_at > d.begun_at
                            AND f.up_since <= d.begun_at + interval '30 seconds'))))
        RETURNING d.message_id, d.recipient, d.attempts, d.options
    )
    SELECT r.message_id, r.organization_id, r.environment_id, r.inbox_id, m.thread_id, e.kind,
        r.reverse_path, r.options, r.created_at, b.octets, b.location, w.relay, w.attempt,
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('address', k.recipient, 'attempts', k.attempts,
                'options', k.options) ORDER BY k.recipient)
            FROM marked k WHERE k.message_id = r.message_id), '[]'),
        -- As it was before the update: what is not marked now is still in doubt.
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('address', d.recipient, 'attempts', d.attempts,
                'options', d.options, 'since', extract(epoch FROM d.begun_at))
                ORDER BY d.recipient)
            FROM deliveries d
            WHERE d.message_id = r.message_id AND NOT d.local AND d.state = 'sending'
                AND NOT EXISTS (SELECT 1 FROM marked k
                    WHERE k.message_id = d.message_id AND k.recipient = d.recipient)), '[]')
    FROM relays r
    JOIN wanted w ON w.message_id = r.message_id
    JOIN blobs b ON b.id = r.blob_id
    JOIN environments e ON e.id = r.environment_id
    LEFT JOIN messages m ON m.id = r.message_id;
$$;

-- What all deliveries of a message together say about it.
CREATE FUNCTION delivery_summary(of_message text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN bool_or(d.state = 'complained') THEN 'complained'
        WHEN bool_and(d.state IN ('queued', 'sending', 'deferred')) THEN 'queued'
        WHEN bool_and(d.state = 'rejected') THEN 'rejected'
        WHEN bool_and(d.state = 'failed') THEN 'failed'
        WHEN bool_and(d.state IN ('bounced', 'rejected', 'failed')) THEN 'bounced'
        WHEN bool_or(d.state IN ('queued', 'sending', 'deferred', 'sent')) THEN 'sent'
        ELSE 'delivered'
    END
    FROM deliveries d WHERE d.message_id = of_message;
$$;

-- Writes the outcomes of several relays: deliveries, messages, events, and the end of the job or
-- its next time.  A relay that someone else has finished meanwhile is passed over, and so is the
-- outcome of an attempt that an event has settled already or another attempt has followed.  Tells
-- the inboxes of the others.
CREATE FUNCTION settle_relays(
    r_message text[], r_job bigint[], r_attempt smallint[], r_accepted boolean[],
    r_again_at timestamptz[],
    -- *_relay counts from 1
    o_relay integer[], o_recipient text[], o_state text[], o_status text[], o_diagnostic text[],
    o_provider_id text[], o_attempt integer[],
    e_relay integer[], e_id text[], e_type text[], e_data jsonb[],
    n_relay integer[], n_report jsonb[]
) RETURNS SETOF text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_open integer[];
    v_inboxes text[];
    v_blobs text[];
    v_finished text[];
BEGIN
    PERFORM hold_senders(ARRAY(SELECT r_message[o] FROM unnest(o_relay) AS o), o_state);
    -- In one order, so that two settlements cannot wait for each other in a ring.
    PERFORM 1 FROM relays l WHERE l.message_id = ANY (r_message) ORDER BY l.message_id FOR UPDATE;
    SELECT array_agg(r.ord::integer), array_agg(l.inbox_id)
    INTO v_open, v_inboxes
    FROM unnest(r_message) WITH ORDINALITY AS r (message, ord)
    JOIN relays l ON l.message_id = r.message;

    UPDATE deliveries d SET state = o.state, status = coalesce(o.status, d.status),
        diagnostic = coalesce(o.diagnostic, d.diagnostic),
        provider_id = coalesce(o.provider_id, d.provider_id),
        history = d.history || o.entries, updated_at = now()
    FROM (
        SELECT f.relay, f.recipient, f.attempt,
            (array_agg(f.state ORDER BY f.ord DESC))[1] AS state,
            (array_agg(f.status ORDER BY f.ord DESC))[1] AS status,
            (array_agg(f.diagnostic ORDER BY f.ord DESC))[1] AS diagnostic,
            (array_agg(f.provider_id ORDER BY f.ord DESC))[1] AS provider_id,
            jsonb_agg(jsonb_build_object('at', now(), 'state', f.state, 'status', f.status,
                'diagnostic', f.diagnostic) ORDER BY f.ord) AS entries
        FROM unnest(o_relay, o_recipient, o_state, o_status, o_diagnostic, o_provider_id,
            o_attempt) WITH ORDINALITY
            AS f (relay, recipient, state, status, diagnostic, provider_id, attempt, ord)
        WHERE f.relay = ANY (v_open)
        GROUP BY f.relay, f.recipient, f.attempt
    ) o
    WHERE d.message_id = r_message[o.relay] AND d.recipient = o.recipient AND NOT d.local
        AND d.state = 'sending' AND d.attempts = o.attempt;

    UPDATE messages m SET state = s.state, version = m.version + 1
    FROM (
        SELECT r_message[g.ord] AS message, delivery_summary(r_message[g.ord]) AS state
        FROM unnest(v_open) AS g (ord)
    ) s
    WHERE m.id = s.message AND m.state <> s.state;

    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT l.environment_id, e.id, l.organization_id, l.inbox_id, e.type, NULL,
        jsonb_build_object('message_id', l.message_id, 'thread_id', m.thread_id) || e.data
            || CASE WHEN e.type = 'message.bounced'
                THEN jsonb_build_object('suppressed', bounce_suppresses(e.data)) ELSE '{}' END
    FROM unnest(e_relay, e_id, e_type, e_data) WITH ORDINALITY AS e (relay, id, type, data, ord)
    JOIN relays l ON l.message_id = r_message[e.relay]
    LEFT JOIN messages m ON m.id = l.message_id
    WHERE e.type <> 'message.sent' OR NOT l.accepted
    ORDER BY e.ord;

    PERFORM after_outcomes(array_agg(r_message[o.relay]), array_agg(o.recipient),
        array_agg(o.state),
        array_agg(CASE o.state WHEN 'bounced' THEN bounce_kind(o.status) END))
    FROM unnest(o_relay, o_recipient, o_state, o_status) AS o (relay, recipient, state, status)
    WHERE o.relay = ANY (v_open);

    -- The sender is told by mail: exactly once, because that is a job of its own from here on.
    INSERT INTO jobs (organization_id, kind, payload)
    SELECT l.organization_id, 'report', jsonb_build_object('message_id', l.message_id,
        'inbox_id', l.inbox_id, 'report', n.report)
    FROM unnest(n_relay, n_report) AS n (relay, report)
    JOIN relays l ON l.message_id = r_message[n.relay];

    UPDATE relays l SET accepted = true
    FROM unnest(r_message, r_accepted) AS r (message, accepted)
    WHERE l.message_id = r.message AND r.accepted AND NOT l.accepted;

    -- The attempt proves that the job was not given to someone else meanwhile.
    UPDATE jobs j SET run_at = r.again_at, leased_until = NULL
    FROM unnest(r_job, r_attempt, r_again_at) AS r (job, attempt, again_at)
    WHERE j.id = r.job AND r.again_at IS NOT NULL AND j.attempts = r.attempt
        AND j.leased_until IS NOT NULL;
    DELETE FROM jobs j USING unnest(r_job, r_again_at) AS r (job, again_at)
    WHERE j.id = r.job AND r.again_at IS NULL;

    WITH gone AS (
        DELETE FROM relays l USING unnest(r_message, r_again_at) AS r (message, again_at)
        WHERE l.message_id = r.message AND r.again_at IS NULL
        RETURNING l.message_id, l.blob_id
    )
    SELECT array_agg(g.message_id::text), array_agg(g.blob_id::text) INTO v_finished, v_blobs
    FROM gone g;
    PERFORM release_blobs(v_blobs);
    -- Its sender deleted the message while it was on its way.
    DELETE FROM deliveries d WHERE d.message_id = ANY (v_finished)
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = d.message_id);

    RETURN QUERY SELECT i FROM unnest(v_inboxes) AS i;
END
$$;

-- Tombstones get an age, so that they can be forgotten; an inbox says up to which modseq.
ALTER TABLE expunged ADD COLUMN gone_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX expunged_by_age ON expunged (gone_at);
ALTER TABLE inboxes ADD COLUMN forgotten_modseq bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN inboxes.forgotten_modseq IS
    'tombstones up to this modseq may be missing: who asks for changes since less must read anew';
CREATE INDEX events_by_age ON events (created_at);
CREATE INDEX blobs_unused ON blobs (id) WHERE uses <= 0;
