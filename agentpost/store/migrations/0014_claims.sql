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

-- Who changed something, and over what, as events tell it.
CREATE FUNCTION told_by(by jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN by ->> 'credential' ~ '^(key|mc)_' THEN jsonb_build_object(
        'source', coalesce(by ->> 'source', 'system'), 'actor', jsonb_build_object(
            'type', CASE WHEN by ->> 'credential' LIKE 'key%' THEN 'api_key' ELSE 'credential' END,
            'id', by ->> 'credential'))
    ELSE '{"source": "system", "actor": null}'::jsonb END;

-- What changed about the marks of a message: those of \Seen, \Answered and \Flagged that did, as
-- they are now, and the labels that came and went.
CREATE FUNCTION mark_changes(
    flags_before smallint, flags_after smallint, words_before text[], words_after text[]
) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_strip_nulls(jsonb_build_object(
    'seen', CASE WHEN (flags_before # flags_after) & 1 <> 0 THEN flags_after & 1 <> 0 END,
    'answered', CASE WHEN (flags_before # flags_after) & 2 <> 0 THEN flags_after & 2 <> 0 END,
    'flagged', CASE WHEN (flags_before # flags_after) & 4 <> 0 THEN flags_after & 4 <> 0 END,
    'labels', CASE WHEN words_before <> words_after THEN jsonb_build_object(
        'added', ARRAY(SELECT w FROM unnest(folded(words_after)) AS w
            WHERE w <> ALL (folded(words_before)) ORDER BY w),
        'removed', ARRAY(SELECT w FROM unnest(folded(words_before)) AS w
            WHERE w <> ALL (folded(words_after)) ORDER BY w)) END));

-- The same of many messages at once: what was asked for, which some had before.
CREATE FUNCTION marks_set(mode text, bits smallint, words text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_strip_nulls(jsonb_build_object(
    'seen', CASE WHEN mode = 'replace' OR bits & 1 <> 0
        THEN mode <> 'remove' AND bits & 1 <> 0 END,
    'answered', CASE WHEN mode = 'replace' OR bits & 2 <> 0
        THEN mode <> 'remove' AND bits & 2 <> 0 END,
    'flagged', CASE WHEN mode = 'replace' OR bits & 4 <> 0
        THEN mode <> 'remove' AND bits & 4 <> 0 END,
    'labels', CASE WHEN words <> '{}' OR mode = 'replace' THEN jsonb_build_object(
        CASE mode WHEN 'add' THEN 'added' WHEN 'remove' THEN 'removed' ELSE 'set' END,
        folded(words)) END));

-- Tells the same of messages: of up to 25 each by itself, of more by 500 in one event, which names
-- them in message_ids.
CREATE FUNCTION tell_messages(
    of_inbox text, of_type text, ids text[], told jsonb, at_modseq bigint, by jsonb
) RETURNS void
LANGUAGE sql SET enable_seqscan = off AS $$
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT i.environment_id, new_id('evt'), i.organization_id, i.id, of_type, at_modseq,
        g.named || told || told_by(by)
    FROM inboxes i, (
        SELECT n.place, jsonb_build_object('message_id', n.id, 'thread_id', m.thread_id) AS named
        FROM unnest(ids) WITH ORDINALITY AS n (id, place) LEFT JOIN messages m ON m.id = n.id
        WHERE cardinality(ids) <= 25
        UNION ALL
        SELECT min(n.place), jsonb_build_object('message_id', NULL, 'message_ids',
            jsonb_agg(n.id ORDER BY n.place))
        FROM unnest(ids) WITH ORDINALITY AS n (id, place)
        WHERE cardinality(ids) > 25 GROUP BY (n.place - 1) / 500
    ) g
    WHERE i.id = of_inbox ORDER BY g.place;
$$;

-- Tells that drafts are gone; they are still there.
CREATE FUNCTION tell_drafts_deleted(of_inbox text, ids text[], at_modseq bigint, by jsonb)
RETURNS void
LANGUAGE sql SET enable_seqscan = off AS $$
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT m.environment_id, new_id('evt'), m.organization_id, m.inbox_id, 'draft.deleted',
        at_modseq, jsonb_build_object('draft_id', coalesce(d.id, 'drf_' || substr(m.id, 5)),
            'message_id', m.id, 'thread_id', m.thread_id) || told_by(by)
    FROM unnest(ids) WITH ORDINALITY AS n (id, place)
    JOIN messages m ON m.id = n.id AND m.inbox_id = of_inbox
    LEFT JOIN drafts d ON d.message_id = m.id
    ORDER BY n.place;
$$;

-- Tells that messages were moved: out of Trash they are restored, into it deleted.  What is moved
-- to and from mailboxes where mail waits to be sent is told as what it means there.
CREATE FUNCTION tell_moved(
    of_inbox text, ids text[], from_role text, to_role text, folder jsonb, at_modseq bigint,
    by jsonb
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_folder jsonb := jsonb_build_object('changes', folder);
BEGIN
    IF from_role IN ('approvals', 'approved', 'rejected', 'scheduled')
        OR to_role IN ('approvals', 'approved', 'rejected', 'scheduled') THEN
        RETURN;
    ELSIF from_role = 'drafts' THEN
        IF to_role = 'trash' THEN
            PERFORM tell_drafts_deleted(of_inbox, ids, at_modseq, by);
        END IF;
    ELSIF to_role = 'trash' THEN
        PERFORM tell_messages(of_inbox, 'message.deleted', ids,
            v_folder || '{"permanent": false}', at_modseq, by);
    ELSIF from_role = 'trash' THEN
        PERFORM tell_messages(of_inbox, 'message.restored', ids, v_folder, at_modseq, by);
    ELSE
        PERFORM tell_messages(of_inbox, 'message.updated', ids, v_folder, at_modseq, by);
    END IF;
END
$$;

-- A message of which every server was tried in vain has failed, whoever finds that out.
CREATE FUNCTION tell_failed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
    SELECT NEW.environment_id, new_id('evt'), NEW.organization_id, NEW.inbox_id, 'message.failed',
        jsonb_build_object('message_id', NEW.id, 'thread_id', NEW.thread_id,
            'failed_recipients', jsonb_agg(jsonb_build_object('email_address', d.recipient,
                'status', d.status, 'diagnostic_code', d.diagnostic, 'attempts', d.attempts)
                ORDER BY d.recipient))
    FROM deliveries d WHERE d.message_id = NEW.id AND d.state = 'failed';
    RETURN NULL;
END
$$;
-- At the commit, behind what is told of the attempt itself.
CREATE CONSTRAINT TRIGGER message_failed AFTER UPDATE OF state ON messages
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.state = 'failed' AND OLD.state <> 'failed') EXECUTE FUNCTION tell_failed();

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
CREATE INDEX claims_held ON claims (inbox_id, due_at) WHERE state = 'leased';
CREATE INDEX claims_by_inbox ON claims (inbox_id, message_id);

SELECT wall_off('claims');

-- Adds a keyword to messages wherever they lie, or takes it from them; the inbox is locked.
CREATE FUNCTION keyword_messages(
    of_inbox text, ids text[], mode text, word text, by jsonb DEFAULT NULL
) RETURNS void
LANGUAGE sql AS $$
    SELECT store_flags(of_inbox, p.mailbox_id, array_agg(p.uid), mode, 0::smallint, ARRAY[word],
        NULL, NULL, by)
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
        PERFORM keyword_messages(of_inbox, v_dead, 'add', 'dead-letter', '{"source": "system"}');
    END IF;
    RETURN cardinality(v_over);
END
$$;

-- Up to where an inbox has been worked through: every message that came for it up to this id is
-- done or was given up, so that whoever claims need not look at them again.  It stays behind the last
-- hour, because ids are given before messages are committed, and clocks differ.  Moves it on by
-- a bounded number of messages; the inbox is locked.
ALTER TABLE inboxes ADD COLUMN claims_from text COLLATE "C" NOT NULL DEFAULT '';

CREATE FUNCTION claims_from(of_inbox text) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
    SET enable_mergejoin = off AS $$
DECLARE
    v_from text;
    v_open text;
    v_next text;
BEGIN
    SELECT i.claims_from INTO v_from FROM inboxes i WHERE i.id = of_inbox;
    SELECT w.id INTO v_open
    FROM (
        SELECT m.id, m.created_at < now() - interval '1 hour' AND (m.direction <> 'inbound'
            OR coalesce(c.state IN ('done', 'dead'), false)) AS over
        FROM messages m LEFT JOIN claims c ON c.message_id = m.id
        WHERE (m.inbox_id, m.id) > (of_inbox, v_from) AND m.inbox_id = of_inbox
        ORDER BY m.inbox_id, m.id LIMIT 2000
    ) w
    WHERE NOT w.over LIMIT 1;
    SELECT max(w.id) INTO v_next
    FROM (
        SELECT m.id FROM messages m
        WHERE (m.inbox_id, m.id) > (of_inbox, v_from) AND m.inbox_id = of_inbox
            AND (m.id < coalesce(v_open, '~'))
        ORDER BY m.inbox_id, m.id LIMIT 2000
    ) w;
    IF v_next IS NULL THEN
        RETURN v_from;
    END IF;
    UPDATE inboxes i SET claims_from = v_next WHERE i.id = of_inbox;
    RETURN v_next;
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
            'dead-letter', '{"source": "system"}');
    END IF;
    RETURN NEXT v_claim;
END
$$;
