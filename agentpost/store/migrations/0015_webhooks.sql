-- Webhooks: who is told, how far the event log has been given out, and what became of it.
--
-- The event is the outbox row: it is written with the change that it tells of.  Each organization
-- with webhooks has one position in its log; events beyond it become deliveries, one for each
-- webhook that wants them, in the transaction that moves the position.  So an organization without
-- webhooks pays nothing, and no event is lost or given out twice.

CREATE TABLE webhooks (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations ON DELETE CASCADE,
    environment_id   text COLLATE "C" NOT NULL REFERENCES environments ON DELETE CASCADE,
    url              text NOT NULL,
    description      text,
    event_types      text[] NOT NULL,
    hidden_types     text[] NOT NULL DEFAULT '{}',
    environment_ids  text[] NOT NULL,
    inbox_ids        text[],
    payload          text NOT NULL CHECK (payload IN ('full', 'thin', 'agentmail')),
    ordering         text NOT NULL CHECK (ordering IN ('none', 'inbox')),
    timeout_s        smallint NOT NULL,
    header_names     text[] NOT NULL DEFAULT '{}',
    headers          bytea,
    secret           bytea NOT NULL,
    old_secret       bytea,
    old_secret_until timestamptz,
    client_id        text,
    enabled          boolean NOT NULL DEFAULT true,
    disabled_at      timestamptz,
    disabled_reason  text,
    starts_after     bigint NOT NULL DEFAULT transaction_seq(),
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment_id, client_id)
);
COMMENT ON COLUMN webhooks.hidden_types IS 'types that "*" does not mean for the key that made it';
COMMENT ON COLUMN webhooks.inbox_ids IS 'null: every inbox of environment_ids';
COMMENT ON COLUMN webhooks.headers IS 'JSON, sealed as secret is when the deployment has a key';
COMMENT ON COLUMN webhooks.starts_after IS
    'told is what happened after the transaction that made or enabled it: its seq is beyond this';
CREATE INDEX webhooks_by_organization ON webhooks (organization_id, id);

-- What changes with every delivery, apart from the wide row.
CREATE TABLE webhook_queues (
    webhook_id       text COLLATE "C" PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
    organization_id  text COLLATE "C" NOT NULL,
    next_at          timestamptz,
    holder           text,
    leased_until     timestamptz,
    failures         integer NOT NULL DEFAULT 0,
    failing_since    timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN webhook_queues.next_at IS
    'look then; equal to leased_until while a worker is at it and nothing has come since';
CREATE INDEX webhook_queues_next ON webhook_queues (next_at);

CREATE TABLE webhook_logs (
    organization_id  text COLLATE "C" PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
    position         bigint NOT NULL DEFAULT transaction_seq()
) WITH (fillfactor = 50);
COMMENT ON COLUMN webhook_logs.position IS 'events up to this seq have been given to webhooks';

-- A delivery is named after its event and its webhook, so there is never a second one.
CREATE TABLE webhook_deliveries (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    webhook_id       text COLLATE "C" NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C",
    event_id         text COLLATE "C" NOT NULL,
    event_type       text NOT NULL,
    seq              bigint NOT NULL,
    state            text NOT NULL DEFAULT 'pending',
    attempts         smallint NOT NULL DEFAULT 0,
    run_at           timestamptz NOT NULL DEFAULT now(),
    status           smallint,
    error            text,
    took_ms          integer,
    request_headers  jsonb NOT NULL DEFAULT '{}',
    response_headers jsonb NOT NULL DEFAULT '{}',
    response_body    text,
    history          jsonb NOT NULL DEFAULT '[]',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, run_at, seq)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_in_order
    ON webhook_deliveries (webhook_id, (coalesce(inbox_id, '')), seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);

CREATE FUNCTION webhook_delivery_id(of_webhook text, of_event text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'dlv_' || substr(of_event, 5, 10) || upper(substr(md5(of_webhook || of_event), 1, 16));

-- Gives events beyond the positions to the webhooks that want them, of each organization at most
-- so many, and tells these webhooks.  What could not be taken whole is told by a null.
CREATE FUNCTION fan_out_webhooks(most integer) RETURNS SETOF text
LANGUAGE sql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
    WITH news AS MATERIALIZED (
        SELECT l.organization_id, e.environment_id, e.inbox_id, e.id, e.type, e.seq
        FROM webhook_logs l
        CROSS JOIN LATERAL (
            SELECT * FROM events v
            WHERE v.organization_id = l.organization_id AND v.seq > l.position
                AND v.seq < settled_seq()
            ORDER BY v.seq LIMIT most
        ) e
    ), moved AS (
        UPDATE webhook_logs l SET position = greatest(l.position, n.seq)
        FROM (SELECT organization_id, max(seq) AS seq FROM news GROUP BY 1) n
        WHERE l.organization_id = n.organization_id
    ), wanted AS MATERIALIZED (
        SELECT n.*, w.id AS webhook_id
        FROM news n JOIN webhooks w ON w.organization_id = n.organization_id
        WHERE w.enabled AND n.seq > w.starts_after AND n.type <> 'webhook.test'
            AND (n.type = ANY (w.event_types)
                OR '*' = ANY (w.event_types) AND n.type <> ALL (w.hidden_types))
            AND n.environment_id = ANY (w.environment_ids)
            AND (w.inbox_ids IS NULL OR n.inbox_id = ANY (w.inbox_ids))
    ), queues AS MATERIALIZED (
        -- First, and in one order, as whoever writes deliveries does.
        SELECT q.webhook_id FROM webhook_queues q
        WHERE q.webhook_id IN (SELECT t.webhook_id FROM wanted t)
        ORDER BY q.webhook_id FOR UPDATE
    ), made AS (
        INSERT INTO webhook_deliveries (id, organization_id, webhook_id, environment_id, inbox_id,
            event_id, event_type, seq)
        SELECT webhook_delivery_id(t.webhook_id, t.id), t.organization_id, t.webhook_id,
            t.environment_id, t.inbox_id, t.id, t.type, t.seq
        FROM queues q JOIN wanted t USING (webhook_id)
        ORDER BY t.seq
        ON CONFLICT (id) DO NOTHING
        RETURNING webhook_id
    ), woken AS (
        UPDATE webhook_queues q SET next_at = least(q.next_at, now())
        FROM (SELECT DISTINCT webhook_id FROM made) m
        WHERE q.webhook_id = m.webhook_id
        RETURNING q.webhook_id
    )
    SELECT webhook_id FROM woken
    UNION ALL
    (SELECT NULL FROM news GROUP BY organization_id HAVING count(*) >= most LIMIT 1);
$$;

-- Writes what attempts came to.  One that somebody else has written meanwhile has no effect.
-- Tells the webhooks that are disabled by it.
CREATE FUNCTION settle_webhooks(
    d_id text[], d_attempts smallint[], d_ok boolean[], d_again double precision[],
    d_status smallint[], d_error text[], d_took integer[], d_request jsonb[], d_response jsonb[],
    d_body text[], d_counts boolean[], d_gone boolean[],
    e_ids text[], max_failures integer, failing interval, max_history integer
) RETURNS SETOF text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    PERFORM 1 FROM webhook_queues q
    WHERE q.webhook_id IN (SELECT d.webhook_id FROM webhook_deliveries d WHERE d.id = ANY (d_id))
    ORDER BY q.webhook_id FOR UPDATE;

    RETURN QUERY
    WITH outcome AS (
        SELECT * FROM unnest(d_id, d_attempts, d_ok, d_again, d_status, d_error, d_took, d_request,
            d_response, d_body, d_counts, d_gone) WITH ORDINALITY AS o (id, attempts, ok, again,
            status, error, took, request, response, body, counts, gone, ord)
    ), written AS (
        UPDATE webhook_deliveries d SET
            state = CASE WHEN o.ok THEN 'succeeded' WHEN o.again IS NULL THEN 'failed'
                ELSE 'pending' END,
            attempts = d.attempts + 1,
            run_at = now() + make_interval(secs => coalesce(o.again, 0)),
            status = o.status, error = o.error, took_ms = o.took, request_headers = o.request,
            response_headers = o.response, response_body = o.body,
            history = CASE WHEN jsonb_array_length(d.history) >= max_history
                    THEN d.history - 0 ELSE d.history END
                || jsonb_build_array(jsonb_build_object('at', now(), 'status', o.status,
                    'error', o.error, 'took_ms', o.took)),
            updated_at = now()
        FROM outcome o
        WHERE d.id = o.id AND d.state = 'pending' AND d.attempts = o.attempts
        RETURNING d.webhook_id, o.ok, o.counts, o.gone, o.ord
    ), summary AS (
        SELECT w.webhook_id, bool_or(w.ok) AS any_ok, bool_or(w.gone) AS gone,
            count(*) FILTER (WHERE NOT w.ok AND w.ord > coalesce(l.last_ok, 0)) AS failures
        FROM written w
        LEFT JOIN (SELECT k.webhook_id, max(k.ord) AS last_ok FROM written k WHERE k.ok GROUP BY 1) l
            USING (webhook_id)
        WHERE w.ok OR w.counts
        GROUP BY w.webhook_id
    ), counted AS (
        UPDATE webhook_queues q SET
            failures = CASE WHEN s.any_ok THEN 0 ELSE q.failures END + s.failures,
            failing_since = CASE WHEN s.failures = 0 THEN NULL
                WHEN s.any_ok THEN now() ELSE coalesce(q.failing_since, now()) END
        FROM summary s
        WHERE q.webhook_id = s.webhook_id
        RETURNING q.webhook_id, q.failures, q.failing_since, s.gone
    ), disabled AS (
        UPDATE webhooks w SET enabled = false, disabled_at = now(), version = w.version + 1,
            updated_at = now(),
            disabled_reason = CASE WHEN c.gone THEN 'gone' ELSE 'failures' END
        FROM counted c
        WHERE w.id = c.webhook_id AND w.enabled
            AND (c.gone OR c.failures >= max_failures AND c.failing_since <= now() - failing)
        RETURNING w.*, c.failures, c.failing_since
    ), told AS (
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
        SELECT d.environment_id, e_ids[row_number() OVER (ORDER BY d.id)], d.organization_id, NULL, 'webhook.disabled', NULL,
            jsonb_build_object('webhook_id', d.id, 'url', split_part(d.url, '?', 1),
                'reason', d.disabled_reason, 'consecutive_failures', d.failures,
                'failing_since', d.failing_since, 'disabled_at', now())
        FROM disabled d
    )
    SELECT d.id FROM disabled d;
END
$$;

SELECT wall_off('webhooks', 'webhook_queues', 'webhook_logs', 'webhook_deliveries');
