-- Files of mail or of the audit log, made by a job; the chain that seals the audit log; counts.

CREATE TABLE exports (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C",
    kind             text NOT NULL,
    client_id        text,
    environments     text[],
    inboxes          text[],
    scopes           text[] NOT NULL,
    asked            jsonb NOT NULL DEFAULT '{}',
    state            text NOT NULL DEFAULT 'pending',
    done             bigint NOT NULL DEFAULT 0,
    total            bigint,
    file             text COLLATE "C",
    size             bigint,
    sha256           bytea,
    error            text,
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    expires_at       timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN exports.environment_id IS 'the one it is about; none when it is about several';
COMMENT ON COLUMN exports.environments IS 'what it covers, as of a key; none: all of them';
COMMENT ON COLUMN exports.scopes IS 'what its maker could see: who reads it must hold all of them';
COMMENT ON COLUMN exports.file IS 'id of the octets that the latest attempt writes, or has written';
COMMENT ON COLUMN exports.state IS 'pending | running | done | failed';
CREATE INDEX exports_by_organization ON exports (organization_id, id);
CREATE UNIQUE INDEX exports_by_client_id
    ON exports (organization_id, coalesce(environment_id, ''), client_id);
CREATE INDEX exports_by_file ON exports (file) WHERE file IS NOT NULL;
CREATE INDEX exports_by_end ON exports (expires_at);

-- Each line of the audit log is sealed shortly after its commit, so that writers do not wait for
-- each other: it gets the next place of its organization's chain, and a hash over what it says and
-- the hash before it.
ALTER TABLE audit ADD COLUMN place bigint, ADD COLUMN previous bytea, ADD COLUMN hash bytea;
CREATE INDEX audit_unsealed ON audit (organization_id, id) WHERE place IS NULL;
CREATE UNIQUE INDEX audit_by_place ON audit (organization_id, place) WHERE place IS NOT NULL;

CREATE TABLE audit_chains (
    organization_id  text COLLATE "C" PRIMARY KEY,
    place            bigint NOT NULL DEFAULT 0,
    hash             bytea NOT NULL
);
COMMENT ON TABLE audit_chains IS 'the latest line of each chain: a log that was cut off shows';

-- Events by the hour, counted after their commit.  A place is an inbox, an environment, or '' for
-- the whole organization: whatever is asked for, one row an hour and type is read.
CREATE TABLE event_counts (
    organization_id  text COLLATE "C" NOT NULL,
    place            text COLLATE "C" NOT NULL,
    hour             timestamptz NOT NULL,
    type             text COLLATE "C" NOT NULL,
    events           bigint NOT NULL,
    PRIMARY KEY (organization_id, place, hour, type)
) WITH (fillfactor = 70);
CREATE INDEX event_counts_by_age ON event_counts (hour);

CREATE TABLE event_tallies (
    organization_id  text COLLATE "C" PRIMARY KEY,
    seq              bigint NOT NULL
);
COMMENT ON COLUMN event_tallies.seq IS 'events up to here are counted';

-- Counts the next events of an organization, once each; tells how many.
CREATE FUNCTION tally_events(of_organization text, most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_from bigint;
    v_to bigint;
    v_count integer;
BEGIN
    INSERT INTO event_tallies (organization_id, seq) VALUES (of_organization, 0)
    ON CONFLICT DO NOTHING;
    SELECT t.seq INTO v_from FROM event_tallies t
    WHERE t.organization_id = of_organization FOR UPDATE;
    WITH next AS MATERIALIZED (
        SELECT e.seq, e.environment_id, e.inbox_id, e.type,
            date_trunc('hour', e.created_at, 'UTC') AS hour
        FROM events e
        WHERE e.organization_id = of_organization AND e.seq > v_from AND e.seq < settled_seq()
        ORDER BY e.seq LIMIT most
    ), counted AS (
        INSERT INTO event_counts AS c (organization_id, place, hour, type, events)
        SELECT of_organization, p.place, n.hour, n.type, count(*)
        FROM next n CROSS JOIN LATERAL (
            SELECT '' AS place UNION ALL SELECT n.environment_id
            UNION ALL SELECT n.inbox_id WHERE n.inbox_id IS NOT NULL
        ) p
        GROUP BY p.place, n.hour, n.type ORDER BY p.place, n.hour, n.type
        ON CONFLICT (organization_id, place, hour, type) DO UPDATE
            SET events = c.events + excluded.events
    )
    SELECT count(*), max(n.seq) INTO v_count, v_to FROM next n;
    UPDATE event_tallies t SET seq = v_to
    WHERE t.organization_id = of_organization AND v_to IS NOT NULL;
    RETURN v_count;
END
$$;

-- What was stored on each day; the same places as above.
CREATE TABLE storage_days (
    organization_id  text COLLATE "C" NOT NULL,
    place            text COLLATE "C" NOT NULL,
    day              date NOT NULL,
    messages         bigint NOT NULL,
    octets           bigint NOT NULL,
    PRIMARY KEY (organization_id, place, day)
);
CREATE INDEX storage_days_by_age ON storage_days (day);

-- Looks at what some inboxes hold, once a day each; tells how many.
CREATE FUNCTION measure_storage(of_inboxes text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    WITH held AS MATERIALIZED (
        SELECT i.organization_id, i.environment_id, i.id AS inbox, m.messages, m.octets
        FROM inboxes i CROSS JOIN LATERAL (
            SELECT count(*) AS messages, coalesce(sum(m.size), 0)::bigint AS octets
            FROM messages m WHERE m.inbox_id = i.id
        ) m
        WHERE i.id = ANY (of_inboxes)
    ), fresh AS (
        INSERT INTO storage_days (organization_id, place, day, messages, octets)
        SELECT h.organization_id, h.inbox, current_date, h.messages, h.octets FROM held h
        ORDER BY h.inbox
        ON CONFLICT DO NOTHING RETURNING place
    ), summed AS (
        INSERT INTO storage_days AS s (organization_id, place, day, messages, octets)
        SELECT h.organization_id, p.place, current_date, sum(h.messages), sum(h.octets)
        FROM held h JOIN fresh f ON f.place = h.inbox
        CROSS JOIN LATERAL (SELECT '' AS place UNION ALL SELECT h.environment_id) p
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (organization_id, place, day) DO UPDATE
            SET messages = s.messages + excluded.messages, octets = s.octets + excluded.octets
    )
    SELECT count(*) INTO v_count FROM fresh;
    RETURN v_count;
END
$$;

CREATE INDEX reputation_by_organization ON reputation (organization_id, day);

SELECT wall_off('exports', 'audit_chains', 'event_counts', 'event_tallies', 'storage_days');
