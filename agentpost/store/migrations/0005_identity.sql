-- Addresses that once were an inbox's and are nobody's: they are never given out again.  Only the
-- hash stays, so that a purge leaves nothing of a person behind; it belongs to no organization,
-- because the rule holds across all of them.
CREATE TABLE retired_addresses (
    address_sha256   bytea PRIMARY KEY,
    retired_at       timestamptz NOT NULL DEFAULT now()
);

-- Ends one use of a blob for each time it is named; unused ones go.  In the order of their ids, so
-- that two purges cannot wait for each other in a ring.
CREATE FUNCTION release_blobs(ids text[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    PERFORM 1 FROM blobs b WHERE b.id = ANY (release_blobs.ids) ORDER BY b.id FOR UPDATE;
    UPDATE blobs b SET uses = b.uses - g.times
    FROM (SELECT blob, count(*)::smallint AS times FROM unnest(release_blobs.ids) AS blob
        GROUP BY 1) g
    WHERE b.id = g.blob;
    DELETE FROM blobs b WHERE b.id = ANY (release_blobs.ids) AND b.uses <= 0;
END
$$;

-- Destroys inboxes with all that is in them.  Mail that was accepted for others still goes out:
-- what a waiting relay needs stays until it is done.  Tells which keys were bound to these
-- inboxes alone, and are revoked with them: an empty list must never read as "all".
CREATE FUNCTION purge_inboxes(ids text[]) RETURNS TABLE (key_id text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_blobs text[];
BEGIN
    PERFORM 1 FROM inboxes i WHERE i.id = ANY (ids) ORDER BY i.id FOR UPDATE;

    INSERT INTO retired_addresses (address_sha256)
    SELECT sha256(convert_to(i.address, 'UTF8')) FROM inboxes i WHERE i.id = ANY (ids)
    ON CONFLICT DO NOTHING;

    DELETE FROM placements p USING mailboxes b
    WHERE p.mailbox_id = b.id AND b.inbox_id = ANY (ids);
    DELETE FROM expunged e WHERE e.inbox_id = ANY (ids);
    DELETE FROM drafts d WHERE d.inbox_id = ANY (ids);
    DELETE FROM claims c WHERE c.inbox_id = ANY (ids);
    DELETE FROM filter_rules f WHERE f.inbox_id = ANY (ids);
    DELETE FROM reputation r WHERE r.inbox_id = ANY (ids);
    DELETE FROM standings g WHERE g.inbox_id = ANY (ids);
    DELETE FROM unindexed u WHERE u.inbox_id = ANY (ids);
    DELETE FROM message_texts t WHERE t.inbox_id = ANY (ids);
    DELETE FROM thread_refs r WHERE r.inbox_id = ANY (ids);
    DELETE FROM threads t WHERE t.inbox_id = ANY (ids);
    DELETE FROM deliveries d USING messages m
    WHERE d.message_id = m.id AND m.inbox_id = ANY (ids)
        AND NOT EXISTS (SELECT 1 FROM relays r WHERE r.message_id = m.id);
    WITH gone AS (
        DELETE FROM messages m WHERE m.inbox_id = ANY (ids) RETURNING m.blob_id
    )
    SELECT array_agg(g.blob_id) INTO v_blobs FROM gone g;
    PERFORM release_blobs(v_blobs);
    DELETE FROM events e USING inboxes i
    WHERE i.id = ANY (ids) AND e.environment_id = i.environment_id AND e.inbox_id = i.id;
    -- Mailboxes, subscriptions and mail credentials go with their inbox.
    DELETE FROM inboxes i WHERE i.id = ANY (ids);

    RETURN QUERY
    UPDATE api_keys k SET
        inbox_ids = left_over.ids,
        revoked_at = CASE
            WHEN left_over.ids = '{}' THEN coalesce(k.revoked_at, now()) ELSE k.revoked_at END,
        version = k.version + 1, updated_at = now()
    FROM (
        SELECT a.id, ARRAY(
            SELECT i FROM unnest(a.inbox_ids) AS i WHERE i <> ALL (purge_inboxes.ids)) AS ids
        FROM api_keys a WHERE a.inbox_ids && purge_inboxes.ids
    ) left_over
    WHERE k.id = left_over.id
    RETURNING k.id;
END
$$;

-- Deletes an environment without inboxes, with the mail that still waits to leave it, and unbinds
-- the keys that named it, as above.
CREATE FUNCTION forget_environment(of_environment text) RETURNS TABLE (key_id text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_messages text[];
    v_blobs text[];
BEGIN
    WITH gone AS (
        DELETE FROM relays r WHERE r.environment_id = of_environment
        RETURNING r.message_id, r.blob_id
    )
    SELECT array_agg(g.message_id), array_agg(g.blob_id)
    INTO v_messages, v_blobs FROM gone g;
    DELETE FROM deliveries d WHERE d.message_id = ANY (v_messages);
    PERFORM release_blobs(v_blobs);
    DELETE FROM events e WHERE e.environment_id = of_environment;
    DELETE FROM idempotency y WHERE y.environment_id = of_environment;
    DELETE FROM filter_rules f WHERE f.environment_id = of_environment;
    DELETE FROM suppressions s WHERE s.environment_id = of_environment;
    DELETE FROM environments e WHERE e.id = of_environment;
    RETURN QUERY
    UPDATE api_keys k SET
        environment_ids = array_remove(k.environment_ids, of_environment),
        revoked_at = CASE
            WHEN cardinality(k.environment_ids) = 1 THEN coalesce(k.revoked_at, now())
            ELSE k.revoked_at END,
        version = k.version + 1, updated_at = now()
    WHERE of_environment = ANY (k.environment_ids)
    RETURNING k.id;
END
$$;
