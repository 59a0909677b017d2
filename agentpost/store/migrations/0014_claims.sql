-- The event log is kept for a time; up to which seq it may have gaps is remembered.
ALTER TABLE organizations ADD COLUMN forgotten_seq bigint NOT NULL DEFAULT 0;

-- Where in the log of an organization to begin for what happened after a moment: a seq below which
-- everything is older.  seq and created_at grow together, but for the time from the beginning of a
-- transaction to its first write, which no operation of ours draws out over a minute; so halving
-- the distance finds it without an index on created_at, which every event would have to write.
CREATE FUNCTION seq_before(of_organization text, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_low bigint := 0;
    v_high bigint := settled_seq();
    v_middle bigint;
    v_seq bigint;
    v_at timestamptz;
BEGIN
    WHILE v_high - v_low > 1 LOOP
        v_middle := v_low + (v_high - v_low) / 2;
        SELECT e.seq, e.created_at INTO v_seq, v_at FROM events e
        WHERE e.organization_id = of_organization AND e.seq >= v_middle AND e.seq < v_high
        ORDER BY e.seq LIMIT 1;
        IF NOT FOUND OR v_at >= moment - interval '1 minute' THEN
            v_high := v_middle;
        ELSE
            v_low := v_seq;
        END IF;
    END LOOP;
    RETURN v_low;
END
$$;

-- Messages that a worker has taken to work on, for a time.  There is one row a message, and whoever
-- writes it holds the lock of the inbox, so that a message has one holder.  A message that is done,
-- or was given up, keeps its row: nobody is given it again.
CREATE TABLE claims (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    message_id       text COLLATE "C" NOT NULL UNIQUE,
    holder           text NOT NULL,
    state            text NOT NULL CHECK (state IN ('leased', 'waiting', 'done', 'dead')),
    attempts         smallint NOT NULL,
    max_attempts     smallint NOT NULL,
    due_at           timestamptz NOT NULL,
    claimed_at       timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
COMMENT ON COLUMN claims.id IS 'of this lease: another one of the same message has another id';
COMMENT ON COLUMN claims.due_at IS 'leased: when the lease ends; waiting: when it may be taken again';
CREATE INDEX claims_due ON claims (due_at) WHERE state = 'leased';
CREATE INDEX claims_by_inbox ON claims (inbox_id, message_id);

ALTER TABLE claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE claims FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON claims USING (
    (SELECT current_setting('agentpost.organizations', true) = '*')
    OR organization_id = ANY ((SELECT string_to_array(
        current_setting('agentpost.organizations', true), ','))::text[]));

-- Adds a keyword to messages wherever they lie, or takes it from them; the inbox is locked.
CREATE FUNCTION keyword_messages(of_inbox text, ids text[], mode text, word text) RETURNS void
LANGUAGE sql AS $$
    SELECT store_flags(of_inbox, p.mailbox_id, array_agg(p.uid), mode, 0::smallint, ARRAY[word],
        NULL)
    FROM placements p WHERE p.message_id = ANY (ids) AND p.inbox_id = of_inbox
    GROUP BY p.mailbox_id;
$$;

-- Ends the leases of an inbox that are over and tells of each.  A message that was taken as often
-- as it may be becomes a dead letter.  Answers how many leases have ended.
CREATE FUNCTION expire_claims(of_inbox text) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_over text[];
    v_dead text[];
BEGIN
    PERFORM 1 FROM inboxes i WHERE i.id = of_inbox FOR UPDATE;
    WITH over AS (
        UPDATE claims c SET state = CASE WHEN c.attempts >= c.max_attempts THEN 'dead'
            ELSE 'waiting' END
        WHERE c.inbox_id = of_inbox AND c.state = 'leased' AND c.due_at <= clock_timestamp()
        RETURNING c.*
    ), told AS (
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
        SELECT o.environment_id, new_id('evt'), o.organization_id, o.inbox_id, 'claim.expired',
            jsonb_build_object('claim_id', o.id, 'message_id', o.message_id, 'attempts',
                o.attempts, 'max_attempts', o.max_attempts, 'dead_letter', o.state = 'dead')
        FROM over o ORDER BY o.due_at, o.id
    )
    SELECT array_agg(o.message_id::text),
        array_agg(o.message_id::text) FILTER (WHERE o.state = 'dead')
    INTO v_over, v_dead FROM over o;
    IF v_over IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM keyword_messages(of_inbox, v_over, 'remove', '$Claimed');
    IF v_dead IS NOT NULL THEN
        PERFORM keyword_messages(of_inbox, v_dead, 'add', 'dead-letter');
    END IF;
    RETURN cardinality(v_over);
END
$$;

-- Leases messages of an inbox that nobody holds; the inbox is locked.
CREATE FUNCTION begin_claims(
    of_inbox text, messages text[], ids text[], by text, lease interval, most_attempts smallint
) RETURNS SETOF claims
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM keyword_messages(of_inbox, messages, 'add', '$Claimed');
    RETURN QUERY
    INSERT INTO claims AS present (id, organization_id, environment_id, inbox_id, message_id,
        holder, state, attempts, max_attempts, due_at)
    SELECT n.id, m.organization_id, m.environment_id, m.inbox_id, m.id, by, 'leased', 1,
        most_attempts, clock_timestamp() + lease
    FROM unnest(messages, ids) WITH ORDINALITY AS n (message, id, place)
    JOIN messages m ON m.id = n.message AND m.inbox_id = of_inbox
    ORDER BY n.place
    ON CONFLICT (message_id) DO UPDATE SET id = excluded.id, holder = excluded.holder,
        state = 'leased', attempts = present.attempts + 1, due_at = excluded.due_at,
        claimed_at = clock_timestamp()
    WHERE present.state = 'waiting'
    RETURNING present.*;
END
$$;

-- Ends a lease: the message is done, or waits until `again` to be taken anew; when it was taken as
-- often as it may be, it becomes a dead letter.  The inbox is locked.
CREATE FUNCTION end_claim(of_claim text, done boolean, again interval) RETURNS SETOF claims
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_claim claims;
BEGIN
    UPDATE claims c SET due_at = clock_timestamp() + again, state = CASE
        WHEN done THEN 'done' WHEN c.attempts >= c.max_attempts THEN 'dead' ELSE 'waiting' END
    WHERE c.id = of_claim RETURNING c.* INTO v_claim;
    PERFORM keyword_messages(v_claim.inbox_id::text, ARRAY[v_claim.message_id::text], 'remove',
        '$Claimed');
    IF v_claim.state = 'dead' THEN
        PERFORM keyword_messages(v_claim.inbox_id::text, ARRAY[v_claim.message_id::text], 'add',
            'dead-letter');
    END IF;
    RETURN NEXT v_claim;
END
$$;
