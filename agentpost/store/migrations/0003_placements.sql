-- Changes to placements.  Each function locks the inbox first, takes the one counter and tells
-- what it did, so that one statement is the whole transaction.  With its answer comes what has
-- changed in the mailbox since the modseq that the caller knows (nothing when that is null), so
-- that nobody need read what he wrote.  Each statement in them costs as much as some twenty rows.
-- `by` says who does it, for messages whose move decides about them (0011_holds.sql).
--
-- Their plans are made once a connection, perhaps while the tables are small, when to read all of a
-- mailbox and sort it looks as cheap as to follow the index; the settings leave the index alone.

-- The placements of a mailbox whose modseq is later than `since`, found without an index on modseq,
-- which every change of a flag would have to write: three rows in place of one.  A mailbox gives
-- its uids and its modseqs in the same order, so that above the highest uid with an earlier modseq
-- everything is later; below it lie only changes, and these are noted by blocks of uids.
CREATE FUNCTION placements_since(in_mailbox bigint, since bigint) RETURNS SETOF placements
LANGUAGE sql STABLE AS $$
    WITH earlier AS (
        SELECT CASE WHEN since = 0 THEN 0 ELSE coalesce((
            SELECT q.uid FROM placements q WHERE q.mailbox_id = in_mailbox AND q.modseq <= since
            ORDER BY q.uid DESC LIMIT 1), 0) END AS uid
    )
    SELECT p.* FROM earlier, changed_blocks c, LATERAL (
        SELECT q.* FROM placements q
        WHERE q.mailbox_id = c.mailbox_id AND q.uid BETWEEN c.block << 7 AND (c.block << 7) + 127
            AND q.uid < earlier.uid AND q.modseq > since
        OFFSET 0  -- Block by block: no planner may begin with the placements.
    ) p
    WHERE c.mailbox_id = in_mailbox AND c.modseq > since
    UNION ALL
    SELECT p.* FROM earlier, placements p
    WHERE p.mailbox_id = in_mailbox AND p.uid > earlier.uid;
$$;

-- One mailbox as packed columns: a hundred thousand rows cross in a few values.  Told is what came
-- after `since`; nothing when that is null.
CREATE TYPE mailbox_state AS (
    uidvalidity bigint, uidnext bigint, modseq bigint, recent_from bigint, known_keywords text[],
    uids bytea, flags bytea, modseqs bytea, sizes bytea, dates bytea, zones bytea, saved bytea,
    keyword_uids bigint[], keyword_words jsonb, gone_uids bigint[], gone_modseqs bigint[]
);

CREATE FUNCTION mailbox_since(in_mailbox bigint, since bigint) RETURNS SETOF mailbox_state
LANGUAGE sql STABLE AS $$
    SELECT b.uidvalidity, b.uidnext, b.modseq, b.recent_from, b.keywords,
        r.uids, r.flags, r.modseqs, r.sizes, r.dates, r.zones, r.saved,
        r.keyword_uids, r.keyword_words, g.uids, g.modseqs
    FROM mailboxes b
    CROSS JOIN LATERAL (
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid) AS uids,
            string_agg(int2send(p.flags), NULL ORDER BY p.uid) AS flags,
            string_agg(int8send(p.modseq), NULL ORDER BY p.uid) AS modseqs,
            string_agg(int4send(p.size), NULL ORDER BY p.uid) AS sizes,
            string_agg(int8send(extract(epoch FROM p.internal_date)::bigint), NULL ORDER BY p.uid)
                AS dates,
            string_agg(int2send(p.zone), NULL ORDER BY p.uid) AS zones,
            string_agg(int8send(extract(epoch FROM p.save_date)::bigint), NULL ORDER BY p.uid)
                AS saved,
            array_agg(p.uid ORDER BY p.uid) FILTER (WHERE p.keywords <> '{}') AS keyword_uids,
            jsonb_agg(to_jsonb(p.keywords) ORDER BY p.uid) FILTER (WHERE p.keywords <> '{}')
                AS keyword_words
        FROM placements_since(b.id, since) p
    ) r
    CROSS JOIN LATERAL (
        SELECT array_agg(e.uid ORDER BY e.modseq, e.uid) AS uids,
            array_agg(e.modseq ORDER BY e.modseq, e.uid) AS modseqs
        FROM expunged e WHERE since > 0 AND e.mailbox_id = b.id AND e.modseq > since
    ) g
    -- No mailbox has the id null, and to look for it costs nothing.
    WHERE b.id = CASE WHEN since IS NOT NULL THEN in_mailbox END;
$$;

CREATE FUNCTION load_mailbox(in_mailbox bigint, since bigint) RETURNS SETOF mailbox_state
LANGUAGE plpgsql STABLE SET enable_seqscan = off
    SET enable_bitmapscan = off AS $$
BEGIN
    RETURN QUERY SELECT * FROM mailbox_since(in_mailbox, since);
END
$$;

-- What a change answers, and the state of the mailbox since a modseq.
CREATE TYPE mailbox_change AS (
    answered bigint[], placed bigint[], placed_in bigint,
    uidvalidity bigint, uidnext bigint, modseq bigint, recent_from bigint, known_keywords text[],
    uids bytea, flags bytea, modseqs bytea, sizes bytea, dates bytea, zones bytea, saved bytea,
    keyword_uids bigint[], keyword_words jsonb, gone_uids bigint[], gone_modseqs bigint[]
);

CREATE FUNCTION folded(words text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT lower(w) FROM unnest(words) AS w);

-- Answers the uids that `unchanged_since` held back.
CREATE FUNCTION store_flags(
    of_inbox text, in_mailbox bigint, of_uids bigint[], mode text, bits smallint, words text[],
    unchanged_since bigint, since bigint DEFAULT NULL, by jsonb DEFAULT NULL
) RETURNS SETOF mailbox_change
LANGUAGE plpgsql SET enable_seqscan = off
    SET enable_bitmapscan = off AS $$
DECLARE
    v_modseq bigint;
    v_known text[];
    v_folded text[];
    v_refused bigint[];
    v_keep smallint := CASE mode WHEN 'add' THEN -1 WHEN 'remove' THEN ~bits ELSE 0 END;
    v_set smallint := CASE mode WHEN 'remove' THEN 0 ELSE bits END;
    -- Reading keywords costs more than all else about a row; mostly none are concerned.
    v_words boolean := mode = 'replace' OR words <> '{}';
    v_environment text;
    v_role text;
    v_told boolean;
    v_each boolean;
BEGIN
    SELECT i.modseq + 1, i.environment_id INTO v_modseq, v_environment
    FROM inboxes i WHERE i.id = of_inbox FOR UPDATE;
    SELECT b.keywords, b.role INTO v_known, v_role FROM mailboxes b
    WHERE b.id = in_mailbox AND b.inbox_id = of_inbox AND b.selectable;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;
    IF words <> '{}' THEN
        -- Keywords compare without case and are spelled as first seen here.
        v_folded := folded(words);
        IF mode <> 'remove' THEN
            v_known := v_known || ARRAY(
                SELECT w FROM unnest(words) AS w WHERE lower(w) <> ALL (folded(v_known)));
            words := ARRAY(SELECT k FROM unnest(v_known) AS k WHERE lower(k) = ANY (v_folded));
        END IF;
    ELSE
        v_folded := '{}';
    END IF;
    IF unchanged_since IS NOT NULL THEN
        v_refused := ARRAY(
            SELECT p.uid FROM placements p
            WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
                AND p.modseq > unchanged_since ORDER BY p.uid);
    END IF;
    -- What changes is told message by message, or of many together, which costs less than a row
    -- each; \Deleted and \Draft are no news, and drafts are not said yet.
    v_told := by IS NOT NULL AND v_role IS DISTINCT FROM 'drafts' AND (v_words OR bits & 7 <> 0);
    v_each := v_told AND cardinality(of_uids) <= 25;
    WITH before AS MATERIALIZED (
        SELECT p.uid, p.flags, p.keywords FROM placements p
        WHERE v_each AND p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
    ), changed AS (
        UPDATE placements p SET modseq = v_modseq, flags = p.flags & v_keep | v_set,
            keywords = CASE
                WHEN NOT v_words THEN p.keywords
                WHEN mode = 'add' THEN p.keywords || ARRAY(
                    SELECT w FROM unnest(words) AS w WHERE lower(w) <> ALL (folded(p.keywords)))
                WHEN mode = 'remove' THEN ARRAY(
                    SELECT k FROM unnest(p.keywords) AS k WHERE lower(k) <> ALL (v_folded))
                ELSE words END
        WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
            AND (unchanged_since IS NULL OR p.modseq <= unchanged_since)
            AND (p.flags & v_keep | v_set <> p.flags
                OR v_words AND CASE mode
                    WHEN 'add' THEN NOT v_folded <@ folded(p.keywords)
                    WHEN 'remove' THEN v_folded && folded(p.keywords)
                    ELSE p.keywords <> words AND NOT (v_folded <@ folded(p.keywords)
                        AND folded(p.keywords) <@ v_folded)
                END)
        RETURNING p.uid, p.organization_id, p.message_id, p.flags, p.keywords
    ), told AS (
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
        SELECT v_environment, new_id('evt'), c.organization_id, of_inbox, 'message.updated',
            v_modseq, jsonb_build_object('message_id', c.message_id, 'changes',
                mark_changes(b.flags, c.flags, b.keywords, c.keywords)) || told_by(by)
        FROM before b JOIN changed c ON c.uid = b.uid
        WHERE (b.flags # c.flags) & 7 <> 0 OR b.keywords <> c.keywords
        ORDER BY c.uid
    )
    INSERT INTO changed_blocks AS present (mailbox_id, block, organization_id, modseq)
    SELECT DISTINCT in_mailbox, c.uid >> 7, c.organization_id, v_modseq FROM changed c
    ON CONFLICT (mailbox_id, block) DO UPDATE SET modseq = excluded.modseq;
    IF FOUND THEN
        WITH counted AS (UPDATE inboxes i SET modseq = v_modseq WHERE i.id = of_inbox)
        UPDATE mailboxes b SET modseq = v_modseq, keywords = v_known WHERE b.id = in_mailbox;
        IF v_told AND NOT v_each THEN
            PERFORM tell_messages(of_inbox, 'message.updated', ARRAY(
                SELECT p.message_id::text FROM placements p
                WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids) AND p.modseq = v_modseq
                ORDER BY p.uid
            ), jsonb_build_object('changes', marks_set(mode, bits, words)), v_modseq, by);
        END IF;
    END IF;
    RETURN QUERY SELECT v_refused, NULL::bigint[], NULL::bigint, s.*
    FROM (SELECT) AS one LEFT JOIN mailbox_since(in_mailbox, since) s ON true;
END
$$;

-- Removes placements (all \Deleted ones when no uids are given) and what only they kept; answers
-- which.
CREATE FUNCTION expunge(
    of_inbox text, in_mailbox bigint, of_uids bigint[], only_deleted boolean,
    since bigint DEFAULT NULL, by jsonb DEFAULT NULL
) RETURNS SETOF mailbox_change
LANGUAGE plpgsql SET enable_seqscan = off
    SET enable_bitmapscan = off AS $$
DECLARE
    v_modseq bigint;
    v_uids bigint[];
    v_messages text[];
    v_role text;
BEGIN
    SELECT i.modseq + 1 INTO v_modseq FROM inboxes i WHERE i.id = of_inbox FOR UPDATE;
    SELECT b.role INTO v_role FROM mailboxes b WHERE b.id = in_mailbox AND b.inbox_id = of_inbox;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;
    IF of_uids IS NULL THEN
        -- Not as an alternative below, which would make every expunge read the whole mailbox.
        of_uids := ARRAY(SELECT p.uid FROM placements p WHERE p.mailbox_id = in_mailbox);
    END IF;
    WITH gone AS (
        DELETE FROM placements p WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
            AND (NOT only_deleted OR (p.flags & 8) <> 0)
        RETURNING p.uid, p.organization_id, p.inbox_id, p.message_id
    ), kept AS (
        INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id, message_id, modseq)
        SELECT in_mailbox, g.uid, g.organization_id, g.inbox_id, g.message_id, v_modseq FROM gone g
    )
    SELECT array_agg(g.uid ORDER BY g.uid), array_agg(g.message_id::text ORDER BY g.uid)
    INTO v_uids, v_messages FROM gone g;
    IF v_uids IS NOT NULL THEN
        WITH counted AS (UPDATE inboxes i SET modseq = v_modseq WHERE i.id = of_inbox)
        UPDATE mailboxes b SET modseq = v_modseq WHERE b.id = in_mailbox;
        IF v_role IN ('approvals', 'approved', 'scheduled') THEN
            PERFORM holds_moved(of_inbox, v_messages, v_role, 'expunged', by);
        ELSIF v_role = 'drafts' AND by IS NOT NULL THEN
            PERFORM tell_drafts_deleted(of_inbox, v_messages, v_modseq, by);
        ELSIF by IS NOT NULL THEN
            PERFORM tell_messages(of_inbox, 'message.deleted', ARRAY(
                SELECT m FROM unnest(v_messages) WITH ORDINALITY AS m (m, place)
                WHERE NOT EXISTS (SELECT 1 FROM placements p WHERE p.message_id = m.m)
                ORDER BY m.place
            ), '{"permanent": true}', v_modseq, by);
        END IF;
        PERFORM forget_messages(v_messages);
    END IF;
    RETURN QUERY SELECT v_uids, NULL::bigint[], NULL::bigint, s.*
    FROM (SELECT) AS one LEFT JOIN mailbox_since(in_mailbox, since) s ON true;
END
$$;

-- Deletes those of the messages that no mailbox holds any longer.
CREATE FUNCTION forget_messages(ids text[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off
    SET enable_bitmapscan = off AS $$
DECLARE
    v_gone text[];
    v_blobs text[];
    v_threads text[];
BEGIN
    WITH gone AS (
        DELETE FROM messages m WHERE m.id = ANY (ids)
            AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.message_id = m.id)
        RETURNING m.id, m.inbox_id, m.blob_id, m.thread_id
    ), forgotten AS (
        DELETE FROM unindexed u USING gone g WHERE u.inbox_id = g.inbox_id AND u.message_id = g.id
    )
    SELECT array_agg(g.id::text), array_agg(g.blob_id::text), array_agg(g.thread_id::text)
    INTO v_gone, v_blobs, v_threads FROM gone g;
    IF v_gone IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM message_texts t WHERE t.message_id = ANY (v_gone);
    DELETE FROM deliveries d WHERE d.message_id = ANY (v_gone)
        AND d.state NOT IN ('queued', 'sending', 'deferred');
    DELETE FROM drafts d WHERE d.message_id = ANY (v_gone);
    DELETE FROM claims c WHERE c.message_id = ANY (v_gone);
    -- A relay that is still under way keeps its own use of the octets.
    UPDATE blobs b SET uses = b.uses - g.messages
    FROM (SELECT blob, count(*)::smallint AS messages FROM unnest(v_blobs) AS blob GROUP BY 1) g
    WHERE b.id = g.blob;
    DELETE FROM blobs b WHERE b.id = ANY (v_blobs) AND b.uses <= 0;
    DELETE FROM threads t WHERE t.id = ANY (v_threads)
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = t.id);
    DELETE FROM thread_refs r USING (SELECT unnest(v_threads) AS id) gone
    WHERE r.thread_id = gone.id AND NOT EXISTS (SELECT 1 FROM threads t WHERE t.id = gone.id);
END
$$;

-- Answers the uids, those they have in the other mailbox, and its UIDVALIDITY.
CREATE FUNCTION copy_placements(
    of_inbox text, in_mailbox bigint, of_uids bigint[], to_mailbox bigint, moving boolean,
    since bigint DEFAULT NULL, by jsonb DEFAULT NULL
) RETURNS SETOF mailbox_change
LANGUAGE plpgsql SET enable_seqscan = off
    SET enable_bitmapscan = off AS $$
DECLARE
    v_modseq bigint;
    v_first bigint;
    v_validity bigint;
    v_uids bigint[];
    v_words text[];
    v_from text;
    v_to text;
    v_folder jsonb;
BEGIN
    SELECT i.modseq + 1 INTO v_modseq FROM inboxes i WHERE i.id = of_inbox FOR UPDATE;
    SELECT d.uidnext, d.uidvalidity, b.role, d.role,
        jsonb_build_object('folder', jsonb_build_object('from', b.name, 'to', d.name))
    INTO v_first, v_validity, v_from, v_to, v_folder
    FROM mailboxes b LEFT JOIN mailboxes d
        ON d.id = to_mailbox AND d.inbox_id = b.inbox_id AND d.selectable
    WHERE b.id = in_mailbox AND b.inbox_id = of_inbox;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    ELSIF v_first IS NULL THEN
        RAISE EXCEPTION 'no_destination' USING ERRCODE = 'AP001';
    END IF;
    IF moving THEN
        WITH gone AS (
            DELETE FROM placements p WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
            RETURNING p.*
        ), kept AS (
            INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id, message_id, modseq)
            SELECT in_mailbox, g.uid, g.organization_id, g.inbox_id, g.message_id, v_modseq
            FROM gone g
        ), placed AS (
            INSERT INTO placements (mailbox_id, uid, organization_id, inbox_id, message_id, flags,
                keywords, modseq, size, internal_date, zone)
            SELECT to_mailbox, v_first - 1 + row_number() OVER (ORDER BY g.uid), g.organization_id,
                g.inbox_id, g.message_id, g.flags, g.keywords, v_modseq, g.size, g.internal_date,
                g.zone
            FROM gone g
        )
        SELECT array_agg(g.uid ORDER BY g.uid) INTO v_uids FROM gone g;
    ELSE
        WITH found AS MATERIALIZED (
            SELECT p.* FROM placements p
            WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
        ), placed AS (
            INSERT INTO placements (mailbox_id, uid, organization_id, inbox_id, message_id, flags,
                keywords, modseq, size, internal_date, zone)
            SELECT to_mailbox, v_first - 1 + row_number() OVER (ORDER BY f.uid), f.organization_id,
                f.inbox_id, f.message_id, f.flags, f.keywords, v_modseq, f.size, f.internal_date,
                f.zone
            FROM found f
        )
        SELECT array_agg(f.uid ORDER BY f.uid) INTO v_uids FROM found f;
    END IF;
    IF v_uids IS NOT NULL THEN
        WITH counted AS (UPDATE inboxes i SET modseq = v_modseq WHERE i.id = of_inbox)
        UPDATE mailboxes b SET modseq = v_modseq,
            uidnext = CASE b.id WHEN to_mailbox THEN v_first + cardinality(v_uids)
                ELSE b.uidnext END
        WHERE b.id = to_mailbox OR moving AND b.id = in_mailbox;
        v_words := ARRAY(
            SELECT DISTINCT k FROM placements p, unnest(p.keywords) AS k
            WHERE p.mailbox_id = to_mailbox AND p.uid >= v_first AND p.keywords <> '{}');
        IF v_words <> '{}' THEN
            PERFORM note_keywords(to_mailbox, v_words);
        END IF;
        IF v_to IN ('approved', 'rejected') OR moving AND v_from IN ('approvals', 'scheduled') THEN
            PERFORM holds_moved(of_inbox, ARRAY(
                SELECT p.message_id::text FROM placements p
                WHERE p.mailbox_id = to_mailbox AND p.uid >= v_first
            ), CASE WHEN moving THEN v_from END, v_to, by);
        ELSIF moving AND by IS NOT NULL THEN
            PERFORM tell_moved(of_inbox, ARRAY(
                SELECT p.message_id::text FROM placements p
                WHERE p.mailbox_id = to_mailbox AND p.uid >= v_first ORDER BY p.uid
            ), v_from, v_to, v_folder, v_modseq, by);
        END IF;
    END IF;
    RETURN QUERY SELECT v_uids,
        ARRAY(SELECT generate_series(v_first, v_first - 1 + cardinality(v_uids))), v_validity, s.*
    FROM (SELECT) AS one LEFT JOIN mailbox_since(in_mailbox, since) s ON true;
END
$$;
