-- One statement, and so one exchange and one fsync, stores a whole batch of messages.
--
-- What costs here is not the rows but starting statements: planning, locking and setting up an
-- executor take longer than an insert.  So the batch comes as arrays of rows, nearly all of it is
-- written by one statement, and what few batches need has statements of its own, which the others
-- do not start.  The plans are made once a connection; as that may be when tables are still empty,
-- they must use the indexes that will matter once they are not.

CREATE TYPE deposit_message AS (
    inbox text COLLATE "C", mailbox bigint, role text, id text COLLATE "C", blob text COLLATE "C",
    direction text, source text, size integer, subject text, sender jsonb, recipients jsonb,
    rfc_message_id text, in_reply_to text, reference_ids text[], sent_at timestamptz,
    envelope bytea, body bytea, bodystructure bytea, parts bytea, preview text,
    attachments smallint, automated boolean, delivered_to text, authentication jsonb,
    metadata jsonb, state text, fingerprint bytea, flags smallint, keywords text[],
    internal_date timestamptz, zone smallint,
    -- Message-IDs to thread by: the message's own, then the nearest parent first
    refs bytea[],
    -- What is told of it; a type 'thread' stands for thread.created or thread.updated
    event_ids text[], event_types text[], event_data jsonb
);
CREATE TYPE deposit_blob AS (
    id text COLLATE "C", organization text COLLATE "C", sha256 bytea, size integer, octets bytea,
    location text, uses smallint
);
CREATE TYPE deposit_delivery AS (
    message text COLLATE "C", organization text COLLATE "C", inbox text COLLATE "C",
    recipient text COLLATE "C", state text, local boolean, options jsonb
);
-- Submissions that may be repetitions: the key of their Message-ID, and what they look like.
CREATE TYPE deposit_fingerprint AS (inbox text COLLATE "C", ref bytea, fingerprint bytea);
CREATE TYPE deposit_job AS (
    organization text COLLATE "C", kind text, message text COLLATE "C"
);
-- Messages that leave this server, and the envelope's reverse-path.
CREATE TYPE deposit_relay AS (
    message text COLLATE "C", inbox text COLLATE "C", blob text COLLATE "C", reverse_path text,
    options jsonb
);
-- Drafts that get a new message.
CREATE TYPE deposit_draft AS (
    message text COLLATE "C", inbox text COLLATE "C", id text COLLATE "C", client_id text,
    in_reply_to text COLLATE "C", reply_all boolean, forward_of text COLLATE "C"
);
-- Messages in Drafts that a new one takes the place of.
CREATE TYPE deposit_replacement AS (inbox text COLLATE "C", replaced text COLLATE "C");
-- Idempotency keys, with the answer to repeat: its status, and what else it told.
CREATE TYPE deposit_key AS (
    message text COLLATE "C", inbox text COLLATE "C", key text COLLATE "C", request_hash bytea,
    status smallint, answer text, told jsonb
);
-- Limited organizations: mails of this batch, the day's bound, the number from which on the bound
-- is near, and the environment that is told so.
CREATE TYPE deposit_meter AS (
    organization text COLLATE "C", mails bigint, bound bigint, near bigint,
    environment text COLLATE "C"
);
-- Messages that wait for an approval or a time (0011_holds.sql).  `due_at` is when they are sent or
-- the request expires; `revises` names the waiting message that this one takes the place of;
-- `most` messages may wait in the inbox.
CREATE TYPE deposit_hold AS (
    message text COLLATE "C", inbox text COLLATE "C", kind text, credential text COLLATE "C",
    reverse_path text, options jsonb, send_at timestamptz, due_at timestamptz,
    draft text COLLATE "C", approval text COLLATE "C", rule text, revises text COLLATE "C",
    most integer
);

CREATE FUNCTION deposit(
    inbox_ids text[], messages deposit_message[], blobs deposit_blob[],
    deliveries deposit_delivery[], fingerprints deposit_fingerprint[], jobs deposit_job[],
    relays deposit_relay[], drafts deposit_draft[], replacements deposit_replacement[],
    keys deposit_key[], meters deposit_meter[], keyworded text[],
    rejected text[], holds deposit_hold[]
) RETURNS TABLE (
    ordinal bigint, mailbox_id bigint, uidvalidity bigint, uid bigint, modseq bigint,
    thread_id text
)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_material = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    v_stored bigint;
    v_meter deposit_meter;
    v_mails bigint;
BEGIN
    -- Always in the same order, so that two batches cannot wait for each other in a ring.
    PERFORM 1 FROM inboxes i WHERE i.id = ANY (inbox_ids) ORDER BY i.id FOR UPDATE;

    -- From here on nobody else writes to these inboxes.
    IF cardinality(fingerprints) > 0 THEN
        PERFORM 1 FROM unnest(fingerprints) AS f
        JOIN thread_refs k ON k.inbox_id = f.inbox AND k.ref = f.ref
        JOIN messages m ON m.id = k.message_id AND m.fingerprint = f.fingerprint
        -- What is sent or written anew may say the same as what it takes the place of.
        WHERE NOT EXISTS (SELECT 1 FROM unnest(replacements) AS x WHERE x.replaced = m.id);
        IF FOUND THEN
            RAISE EXCEPTION 'duplicate' USING ERRCODE = 'AP001';
        END IF;
    END IF;
    IF cardinality(keys) > 0 THEN
        PERFORM 1 FROM unnest(keys) AS k
        JOIN inboxes i ON i.id = k.inbox
        JOIN idempotency y ON y.environment_id = i.environment_id AND y.key = k.key;
        IF FOUND THEN
            RAISE EXCEPTION 'replayed' USING ERRCODE = 'AP001';
        END IF;
    END IF;
    IF cardinality(replacements) > 0 THEN
        PERFORM 1 FROM unnest(replacements) AS x
        WHERE NOT EXISTS (
            SELECT 1 FROM placements p JOIN mailboxes b ON b.id = p.mailbox_id
            WHERE p.message_id = x.replaced AND p.inbox_id = x.inbox
                AND (b.role IN ('drafts', 'scheduled') OR b.role = 'approvals'
                    AND EXISTS (SELECT 1 FROM unnest(holds) AS h WHERE h.revises = x.replaced)));
        IF FOUND THEN
            RAISE EXCEPTION 'replaced_is_gone' USING ERRCODE = 'AP001';
        END IF;
    END IF;
    FOREACH v_meter IN ARRAY meters LOOP
        INSERT INTO usage AS present (organization_id, day, mails)
        SELECT v_meter.organization, current_date, v_meter.mails
        WHERE v_meter.mails <= v_meter.bound
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET mails = present.mails + excluded.mails
        WHERE present.mails + excluded.mails <= v_meter.bound
        RETURNING present.mails INTO v_mails;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'quota' USING ERRCODE = 'AP001';
        END IF;
        IF v_mails >= v_meter.near AND v_mails - v_meter.mails < v_meter.near THEN
            PERFORM tell_quota(v_meter.organization, v_meter.environment, 'quota.approaching',
                v_mails, v_meter.bound);
        END IF;
    END LOOP;
    IF cardinality(holds) > 0 THEN
        PERFORM prepare_holds(holds);
    END IF;

    RETURN QUERY
    WITH counted AS (
        UPDATE inboxes i SET modseq = i.modseq + 1
        WHERE i.id = ANY (inbox_ids) AND i.deleted_at IS NULL
        RETURNING i.id, i.organization_id, i.environment_id, i.modseq
    ), target AS (
        -- Where each message goes, its numbers there, and the thread of its nearest known
        -- ancestor, else a new one, which two copies of a message in an inbox share.
        SELECT m.*, k.organization_id, k.environment_id, k.modseq, b.id AS mailbox_id,
            b.uidvalidity,
            b.uidnext + row_number() OVER (PARTITION BY b.id ORDER BY m.ordinality) - 1 AS uid,
            coalesce((
                SELECT known.thread_id FROM (
                    SELECT r.position, (
                        SELECT k.thread_id FROM thread_refs k
                        WHERE k.inbox_id = m.inbox AND k.ref = r.ref) AS thread_id
                    FROM unnest(m.refs) WITH ORDINALITY AS r (ref, position) OFFSET 0
                ) known
                WHERE known.thread_id IS NOT NULL ORDER BY known.position LIMIT 1
            ), 'thr_' || substr(min(m.id) OVER (PARTITION BY m.inbox, m.blob), 5)) AS thread_id
        FROM unnest(messages) WITH ORDINALITY AS m
        JOIN counted k ON k.id = m.inbox
        JOIN LATERAL (
            SELECT r.* FROM mailboxes r
            WHERE m.mailbox IS NULL AND r.inbox_id = m.inbox AND r.role = m.role
            UNION ALL
            SELECT g.* FROM mailboxes g
            WHERE g.id = m.mailbox AND g.inbox_id IS NOT DISTINCT FROM m.inbox
        ) b ON b.selectable
    ), numbered AS (
        UPDATE mailboxes b SET uidnext = c.last_uid + 1, modseq = c.modseq
        FROM (
            SELECT t.mailbox_id, t.modseq, max(t.uid) AS last_uid FROM target t GROUP BY 1, 2
        ) c
        WHERE b.id = c.mailbox_id
    ), threaded AS (
        INSERT INTO threads AS present
            (id, organization_id, environment_id, inbox_id, subject, last_message_at)
        SELECT DISTINCT ON (t.thread_id)
            t.thread_id, t.organization_id, t.environment_id, t.inbox, t.subject, now()
        FROM target t ORDER BY t.thread_id, t.ordinality
        ON CONFLICT (id) DO UPDATE SET last_message_at = now(), version = present.version + 1
    ), referred AS (
        INSERT INTO thread_refs AS present (organization_id, inbox_id, ref, thread_id, message_id)
        SELECT DISTINCT ON (t.inbox, r.ref)
            t.organization_id, t.inbox, r.ref, t.thread_id,
            CASE WHEN r.position = 1 AND t.rfc_message_id IS NOT NULL THEN t.id END
        FROM target t, unnest(t.refs) WITH ORDINALITY AS r (ref, position)
        ORDER BY t.inbox, r.ref, r.position, t.ordinality
        ON CONFLICT (inbox_id, ref) DO UPDATE SET message_id = excluded.message_id
        WHERE present.message_id IS NULL AND excluded.message_id IS NOT NULL
    ), kept AS (
        INSERT INTO blobs (id, organization_id, sha256, size, octets, location, uses)
        SELECT b.* FROM unnest(blobs) AS b
    ), stored AS (
        INSERT INTO messages (id, organization_id, environment_id, inbox_id, thread_id, blob_id,
            direction, source, size, subject, sender, recipients, rfc_message_id, in_reply_to,
            reference_ids, sent_at, envelope, body, bodystructure, parts, preview, attachments,
            automated, delivered_to, authentication, metadata, state, fingerprint, created_modseq)
        SELECT t.id, t.organization_id, t.environment_id, t.inbox, t.thread_id, t.blob,
            t.direction, t.source, t.size, t.subject, t.sender, t.recipients, t.rfc_message_id,
            t.in_reply_to, t.reference_ids, t.sent_at, t.envelope, t.body, t.bodystructure,
            t.parts, t.preview, t.attachments, t.automated, t.delivered_to, t.authentication,
            t.metadata, t.state, t.fingerprint, t.modseq
        FROM target t
    ), waiting AS (
        INSERT INTO unindexed (inbox_id, message_id, organization_id)
        SELECT t.inbox, t.id, t.organization_id FROM target t
    ), placed AS (
        INSERT INTO placements (mailbox_id, uid, organization_id, inbox_id, message_id, flags,
            keywords, modseq, size, internal_date, zone)
        SELECT t.mailbox_id, t.uid, t.organization_id, t.inbox, t.id, t.flags, t.keywords,
            t.modseq, t.size, t.internal_date, t.zone
        FROM target t
    ), delivered AS (
        INSERT INTO deliveries (message_id, recipient, organization_id, inbox_id, state, local,
            options)
        SELECT d.message, d.recipient, d.organization, d.inbox, d.state, d.local, d.options
        FROM unnest(deliveries) AS d
    ), told AS (
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
        SELECT t.environment_id, e.id, t.organization_id, t.inbox, CASE WHEN e.type <> 'thread'
            THEN e.type WHEN t.thread_id = 'thr_' || substr(t.id, 5) THEN 'thread.created'
            ELSE 'thread.updated' END, t.modseq,
            jsonb_build_object('message_id', t.id, 'thread_id', t.thread_id) || t.event_data
        FROM target t, unnest(t.event_ids, t.event_types) WITH ORDINALITY AS e (id, type, position)
        ORDER BY t.ordinality, e.position
    )
    SELECT t.ordinality, t.mailbox_id, t.uidvalidity, t.uid, t.modseq, t.thread_id::text
    FROM target t ORDER BY t.ordinality;
    GET DIAGNOSTICS v_stored = ROW_COUNT;
    IF v_stored <> cardinality(messages) THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;

    IF cardinality(keyworded) > 0 THEN
        PERFORM note_keywords(p.mailbox_id, p.keywords)
        FROM unnest(keyworded) AS k (message) JOIN placements p ON p.message_id = k.message;
    END IF;
    IF cardinality(jobs) > 0 THEN
        INSERT INTO jobs (organization_id, kind, payload)
        SELECT j.organization, j.kind, jsonb_build_object('message_id', j.message)
        FROM unnest(jobs) AS j;
    END IF;
    IF cardinality(relays) > 0 THEN
        INSERT INTO relays (message_id, organization_id, environment_id, inbox_id, blob_id,
            reverse_path, options)
        SELECT l.message, i.organization_id, i.environment_id, l.inbox, l.blob, l.reverse_path,
            l.options
        FROM unnest(relays) AS l JOIN inboxes i ON i.id = l.inbox;
    END IF;
    IF cardinality(rejected) > 0 THEN
        PERFORM tell_rejected(rejected);
    END IF;
    IF cardinality(drafts) > 0 THEN
        INSERT INTO drafts AS present (id, organization_id, environment_id, inbox_id, message_id,
            client_id, in_reply_to, reply_all, forward_of)
        SELECT f.id, i.organization_id, i.environment_id, f.inbox, f.message, f.client_id,
            f.in_reply_to, f.reply_all, f.forward_of
        FROM unnest(drafts) AS f JOIN inboxes i ON i.id = f.inbox
        ON CONFLICT (id) DO UPDATE SET message_id = excluded.message_id,
            version = present.version + 1, updated_at = now();
    END IF;
    IF cardinality(holds) > 0 THEN
        PERFORM hold_messages(holds);
    END IF;
    IF cardinality(replacements) > 0 THEN
        PERFORM expunge(p.inbox_id::text, p.mailbox_id, ARRAY[p.uid], false)
        FROM unnest(replacements) AS x
        JOIN placements p ON p.message_id = x.replaced AND p.inbox_id = x.inbox
        JOIN mailboxes b ON b.id = p.mailbox_id
            AND b.role IN ('drafts', 'scheduled', 'approvals');
    END IF;
    IF cardinality(keys) > 0 THEN
        INSERT INTO idempotency (environment_id, key, organization_id, inbox_id, request_hash,
            status, body)
        SELECT m.environment_id, k.key, m.organization_id, m.inbox_id, k.request_hash, k.status,
            convert_to((jsonb_build_object('id', m.id, 'thread_id', m.thread_id, 'status',
                k.answer) || k.told)::text, 'UTF8')
        FROM unnest(keys) AS k JOIN messages m ON m.id = k.message;
    END IF;
END
$$;

-- Keywords compare without case and are shown as first seen (RFC 9051 section 2.3.2).
CREATE FUNCTION note_keywords(in_mailbox bigint, used text[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE mailboxes SET keywords = keywords || ARRAY(
        SELECT u FROM unnest(used) AS u
        WHERE lower(u) NOT IN (SELECT lower(k) FROM unnest(keywords) AS k))
    WHERE id = in_mailbox AND EXISTS (
        SELECT 1 FROM unnest(used) AS u
        WHERE lower(u) NOT IN (SELECT lower(k) FROM unnest(keywords) AS k));
$$;
