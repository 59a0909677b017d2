-- Changes to placements.  Each function locks the inbox first, takes the one counter and tells
-- what it did, so that one statement is the whole transaction.

CREATE FUNCTION next_modseq(of_inbox text) RETURNS bigint
LANGUAGE sql AS $$
    UPDATE inboxes SET modseq = modseq + 1 WHERE id = of_inbox RETURNING modseq;
$$;

CREATE FUNCTION store_flags(
    of_inbox text, in_mailbox bigint, of_uids bigint[], mode text, bits smallint, words text[],
    unchanged_since bigint
) RETURNS TABLE (uid bigint, flags smallint, keywords text[], modseq bigint, refused boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_inbox text;
    v_modseq bigint;
    v_changed bigint[];
BEGIN
    SELECT b.inbox_id INTO v_inbox FROM mailboxes b
    WHERE b.id = in_mailbox AND b.inbox_id = of_inbox AND b.selectable;
    IF v_inbox IS NULL THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;
    PERFORM 1 FROM inboxes i WHERE i.id = v_inbox FOR UPDATE;
    SELECT array_agg(p.uid) INTO v_changed
    FROM placements p
    WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids)
        AND (unchanged_since IS NULL OR p.modseq <= unchanged_since)
        AND CASE mode
            WHEN 'add' THEN (p.flags | bits) <> p.flags OR NOT folded(words) <@ folded(p.keywords)
            WHEN 'remove' THEN (p.flags & bits) <> 0 OR folded(words) && folded(p.keywords)
            ELSE p.flags <> bits OR NOT (folded(words) <@ folded(p.keywords)
                AND folded(p.keywords) <@ folded(words))
        END;
    IF v_changed IS NOT NULL THEN
        IF mode <> 'remove' AND cardinality(words) > 0 THEN
            PERFORM note_keywords(in_mailbox, words);
            words := ARRAY(
                SELECT k FROM mailboxes b, unnest(b.keywords) AS k
                WHERE b.id = in_mailbox AND lower(k) = ANY (folded(words)));
        END IF;
        v_modseq := next_modseq(v_inbox);
        UPDATE placements p SET modseq = v_modseq,
            flags = CASE mode WHEN 'add' THEN p.flags | bits WHEN 'remove' THEN p.flags & ~bits
                ELSE bits END,
            keywords = CASE mode
                WHEN 'add' THEN p.keywords || ARRAY(
                    SELECT w FROM unnest(words) AS w WHERE lower(w) <> ALL (folded(p.keywords)))
                WHEN 'remove' THEN ARRAY(
                    SELECT k FROM unnest(p.keywords) AS k WHERE lower(k) <> ALL (folded(words)))
                ELSE words END
        WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (v_changed);
        UPDATE mailboxes b SET modseq = v_modseq WHERE b.id = in_mailbox;
    END IF;
    RETURN QUERY
    SELECT p.uid, p.flags, p.keywords, p.modseq,
        unchanged_since IS NOT NULL AND p.modseq > unchanged_since
            AND p.modseq IS DISTINCT FROM v_modseq
    FROM placements p WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids) ORDER BY p.uid;
END
$$;

CREATE FUNCTION folded(words text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT lower(w) FROM unnest(words) AS w);

-- Removes placements (all \Deleted ones when no uids are given) and what only they kept.
CREATE FUNCTION expunge(of_inbox text, in_mailbox bigint, of_uids bigint[], only_deleted boolean)
RETURNS TABLE (uid bigint, modseq bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_inbox text;
    v_modseq bigint;
    v_uids bigint[];
    v_messages text[];
BEGIN
    SELECT b.inbox_id INTO v_inbox FROM mailboxes b
    WHERE b.id = in_mailbox AND b.inbox_id = of_inbox;
    IF v_inbox IS NULL THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;
    PERFORM 1 FROM inboxes i WHERE i.id = v_inbox FOR UPDATE;
    WITH gone AS (
        DELETE FROM placements p
        WHERE p.mailbox_id = in_mailbox AND (of_uids IS NULL OR p.uid = ANY (of_uids))
            AND (NOT only_deleted OR (p.flags & 8) <> 0)
        RETURNING p.uid, p.message_id
    )
    SELECT array_agg(g.uid ORDER BY g.uid), array_agg(g.message_id::text ORDER BY g.uid)
    INTO v_uids, v_messages FROM gone g;
    IF v_uids IS NULL THEN
        RETURN;
    END IF;
    v_modseq := next_modseq(v_inbox);
    UPDATE mailboxes b SET modseq = v_modseq WHERE b.id = in_mailbox;
    INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id, message_id, modseq)
    SELECT in_mailbox, g.uid, i.organization_id, v_inbox, g.message, v_modseq
    FROM unnest(v_uids, v_messages) AS g (uid, message), inboxes i WHERE i.id = v_inbox;
    PERFORM forget_messages(v_messages);
    RETURN QUERY SELECT u, v_modseq FROM unnest(v_uids) AS u;
END
$$;

-- Deletes those of the messages that no mailbox holds any longer.
CREATE FUNCTION forget_messages(ids text[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_gone text[];
    v_blobs text[];
    v_threads text[];
BEGIN
    WITH gone AS (
        DELETE FROM messages m WHERE m.id = ANY (ids)
            AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.message_id = m.id)
        RETURNING m.id, m.blob_id, m.thread_id
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

CREATE FUNCTION copy_placements(
    of_inbox text, in_mailbox bigint, of_uids bigint[], to_mailbox bigint, moving boolean
) RETURNS TABLE (source bigint, destination bigint, uidvalidity bigint, modseq bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_inbox text;
    v_modseq bigint;
    v_source bigint[];
    v_first bigint;
    v_validity bigint;
BEGIN
    SELECT b.inbox_id INTO v_inbox FROM mailboxes b
    WHERE b.id = in_mailbox AND b.inbox_id = of_inbox;
    IF v_inbox IS NULL THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;
    PERFORM 1 FROM inboxes i WHERE i.id = v_inbox FOR UPDATE;
    PERFORM 1 FROM mailboxes b WHERE b.id = to_mailbox AND b.inbox_id = v_inbox AND b.selectable;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no_destination' USING ERRCODE = 'AP001';
    END IF;
    SELECT array_agg(p.uid ORDER BY p.uid) INTO v_source FROM placements p
    WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (of_uids);
    IF v_source IS NULL THEN
        RETURN;
    END IF;
    v_modseq := next_modseq(v_inbox);
    UPDATE mailboxes b SET uidnext = b.uidnext + cardinality(v_source), modseq = v_modseq
    WHERE b.id = to_mailbox
    RETURNING b.uidnext - cardinality(v_source), b.uidvalidity INTO v_first, v_validity;
    INSERT INTO placements (mailbox_id, uid, organization_id, inbox_id, message_id, flags,
        keywords, modseq, size, internal_date, zone)
    SELECT to_mailbox, v_first + s.nth - 1, p.organization_id, p.inbox_id, p.message_id, p.flags,
        p.keywords, v_modseq, p.size, p.internal_date, p.zone
    FROM unnest(v_source) WITH ORDINALITY AS s (uid, nth)
    JOIN placements p ON p.mailbox_id = in_mailbox AND p.uid = s.uid;
    PERFORM note_keywords(to_mailbox, ARRAY(
        SELECT DISTINCT k FROM placements p, unnest(p.keywords) AS k
        WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (v_source)));
    IF moving THEN
        INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id, message_id, modseq)
        SELECT in_mailbox, p.uid, p.organization_id, p.inbox_id, p.message_id, v_modseq
        FROM placements p WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (v_source);
        DELETE FROM placements p WHERE p.mailbox_id = in_mailbox AND p.uid = ANY (v_source);
        UPDATE mailboxes b SET modseq = v_modseq WHERE b.id = in_mailbox;
    END IF;
    RETURN QUERY SELECT s.uid, v_first + s.nth - 1, v_validity, v_modseq
    FROM unnest(v_source) WITH ORDINALITY AS s (uid, nth);
END
$$;

-- One mailbox as packed columns: a hundred thousand rows cross in a few values.
CREATE FUNCTION load_mailbox(in_mailbox bigint, since bigint)
RETURNS TABLE (
    uidvalidity bigint, uidnext bigint, modseq bigint, recent_from bigint, known_keywords text[],
    uids bytea, flags bytea, modseqs bytea, sizes bytea, dates bytea, zones bytea, saved bytea,
    keyword_uids bigint[], keyword_words jsonb, gone_uids bigint[], gone_modseqs bigint[]
)
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
        FROM placements p WHERE p.mailbox_id = b.id AND p.modseq > since
    ) r
    CROSS JOIN LATERAL (
        SELECT array_agg(e.uid ORDER BY e.modseq, e.uid) AS uids,
            array_agg(e.modseq ORDER BY e.modseq, e.uid) AS modseqs
        FROM expunged e WHERE since > 0 AND e.mailbox_id = b.id AND e.modseq > since
    ) g
    WHERE b.id = in_mailbox;
$$;
