-- One statement, and so one exchange and one fsync, stores a whole batch of messages.
--
-- The plans inside are made once a connection: planning them for each call cost four times what
-- running them did.  They are made when tables may still be empty, so they must use the indexes that
-- will matter once they are not.

CREATE FUNCTION deposit(
    -- one element per message, in the order of arrival
    m_inbox text[], m_mailbox bigint[], m_role text[], m_id text[], m_thread text[],
    m_blob text[], m_direction text[], m_source text[], m_size integer[], m_subject text[],
    m_sender jsonb[], m_recipients jsonb[], m_rfc_id text[],
    m_in_reply_to text[], m_references jsonb[], m_sent_at timestamptz[], m_envelope bytea[],
    m_body bytea[], m_bodystructure bytea[], m_parts bytea[], m_preview text[],
    m_attachments smallint[], m_automated boolean[], m_delivered_to text[],
    m_authentication jsonb[], m_metadata jsonb[], m_state text[], m_flags smallint[],
    m_keywords jsonb[], m_internal_date timestamptz[], m_zone smallint[],
    m_fingerprint bytea[],
    -- blobs
    b_id text[], b_organization text[], b_sha256 bytea[], b_size integer[], b_octets bytea[],
    b_location text[], b_uses smallint[],
    -- Message-IDs to thread by: position 0 is the message's own, then the nearest parent first
    r_message integer[], r_position integer[], r_ref bytea[],
    -- deliveries, events and jobs; *_message counts from 1
    d_message integer[], d_recipient text[], d_state text[], d_local boolean[], d_options jsonb[],
    e_message integer[], e_id text[], e_type text[],
    j_message integer[], j_kind text[],
    -- messages that leave this server, and the envelope's reverse-path
    l_message integer[], l_reverse_path text[], l_options jsonb[],
    -- drafts that get a new message, and messages that the new one takes the place of
    f_message integer[], f_id text[], f_client_id text[], f_in_reply_to text[],
    f_reply_all boolean[], f_forward_of text[],
    x_message integer[], x_replaced text[],
    -- idempotency keys, with the answer to repeat
    k_message integer[], k_key text[], k_request_hash bytea[], k_status smallint[],
    k_answer text[],
    -- limited organizations: mails of this batch and the day's bound
    u_organization text[], u_mails bigint[], u_bound bigint[]
) RETURNS TABLE (
    ordinal integer, mailbox_id bigint, uidvalidity bigint, uid bigint, modseq bigint,
    thread_id text
)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    n CONSTANT integer := cardinality(m_id);
    t_organization text[];
    t_environment text[];
    t_mailbox bigint[];
    t_uidvalidity bigint[];
    t_uid bigint[];
    t_modseq bigint[];
    t_thread text[];
    missing text;
BEGIN
    -- Always in the same order, so that two batches cannot wait for each other in a ring.
    PERFORM 1 FROM inboxes i WHERE i.id = ANY (m_inbox) ORDER BY i.id FOR UPDATE;

    -- Position 0 of a submission is its own Message-ID; without one there is no fingerprint.
    IF EXISTS (
        SELECT 1 FROM unnest(r_message, r_position, r_ref) AS r (message, position, ref)
        JOIN thread_refs k ON k.inbox_id = m_inbox[r.message] AND k.ref = r.ref
        JOIN messages m ON m.id = k.message_id AND m.fingerprint = m_fingerprint[r.message]
        WHERE r.position = 0 AND m_fingerprint[r.message] IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'duplicate' USING ERRCODE = 'AP001';
    END IF;
    IF cardinality(k_message) > 0 AND EXISTS (
        SELECT 1 FROM unnest(k_message, k_key) AS k (message, key)
        JOIN inboxes i ON i.id = m_inbox[k.message]
        JOIN idempotency y ON y.environment_id = i.environment_id AND y.key = k.key
    ) THEN
        RAISE EXCEPTION 'replayed' USING ERRCODE = 'AP001';
    END IF;
    IF cardinality(x_message) > 0 AND EXISTS (
        SELECT 1 FROM unnest(x_message, x_replaced) AS x (message, replaced)
        WHERE NOT EXISTS (
            SELECT 1 FROM placements p JOIN mailboxes b ON b.id = p.mailbox_id
            WHERE p.message_id = x.replaced AND p.inbox_id = m_inbox[x.message]
                AND b.role = 'drafts')
    ) THEN
        RAISE EXCEPTION 'replaced_is_gone' USING ERRCODE = 'AP001';
    END IF;

    FOR missing IN
        SELECT u.organization_id FROM unnest(u_organization, u_mails, u_bound)
            AS u (organization_id, mails, bound)
    LOOP
        INSERT INTO usage AS present (organization_id, day, mails)
        SELECT u.organization, current_date, u.mails
        FROM unnest(u_organization, u_mails, u_bound) AS u (organization, mails, bound)
        WHERE u.organization = missing AND u.mails <= u.bound
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET mails = present.mails + excluded.mails
        WHERE present.mails + excluded.mails <= (
            SELECT u.bound FROM unnest(u_organization, u_bound) AS u (organization, bound)
            WHERE u.organization = missing);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'quota' USING ERRCODE = 'AP001';
        END IF;
    END LOOP;

    -- Where each message goes, and its numbers there.
    WITH target AS (
        SELECT m.ord, i.id AS inbox_id, i.organization_id, i.environment_id, b.id AS mailbox_id,
            b.uidvalidity,
            row_number() OVER (PARTITION BY b.id ORDER BY m.ord) - 1 AS nth
        FROM unnest(m_inbox, m_mailbox, m_role) WITH ORDINALITY
            AS m (inbox, mailbox, role, ord)
        JOIN inboxes i ON i.id = m.inbox AND i.deleted_at IS NULL
        JOIN mailboxes b ON b.inbox_id = i.id AND b.selectable
            AND (b.id = m.mailbox OR (m.mailbox IS NULL AND b.role = m.role))
    ), counted AS (
        UPDATE inboxes i SET modseq = i.modseq + 1
        WHERE i.id IN (SELECT t.inbox_id FROM target t)
        RETURNING i.id, i.modseq
    ), numbered AS (
        UPDATE mailboxes b SET uidnext = b.uidnext + c.arrivals, modseq = k.modseq
        FROM (SELECT t.mailbox_id, t.inbox_id, count(*) AS arrivals FROM target t GROUP BY 1, 2) c
        JOIN counted k ON k.id = c.inbox_id
        WHERE b.id = c.mailbox_id
        RETURNING b.id, b.uidnext - c.arrivals AS first_uid
    )
    SELECT array_agg(t.organization_id::text ORDER BY t.ord),
        array_agg(t.environment_id::text ORDER BY t.ord),
        array_agg(t.mailbox_id ORDER BY t.ord),
        array_agg(t.uidvalidity ORDER BY t.ord),
        array_agg(b.first_uid + t.nth ORDER BY t.ord),
        array_agg(k.modseq ORDER BY t.ord)
    INTO t_organization, t_environment, t_mailbox, t_uidvalidity, t_uid, t_modseq
    FROM target t JOIN counted k ON k.id = t.inbox_id JOIN numbered b ON b.id = t.mailbox_id;
    IF cardinality(t_mailbox) IS DISTINCT FROM n THEN
        RAISE EXCEPTION 'no_mailbox' USING ERRCODE = 'AP001';
    END IF;

    -- The thread of the nearest known ancestor, else a new one.
    SELECT array_agg(coalesce(found.thread_id, m_thread[o.ord]) ORDER BY o.ord)
    INTO t_thread
    FROM generate_series(1, n) AS o (ord)
    LEFT JOIN (
        SELECT DISTINCT ON (r.message) r.message, k.thread_id
        FROM unnest(r_message, r_position, r_ref) AS r (message, position, ref)
        JOIN thread_refs k ON k.inbox_id = m_inbox[r.message] AND k.ref = r.ref
        ORDER BY r.message, r.position
    ) found ON found.message = o.ord;

    INSERT INTO threads AS present
        (id, organization_id, environment_id, inbox_id, subject, last_message_at)
    SELECT t_thread[o.ord], t_organization[o.ord], t_environment[o.ord], m_inbox[o.ord],
        m_subject[o.ord], now()
    FROM (
        SELECT DISTINCT ON (t_thread[g]) g AS ord FROM generate_series(1, n) AS g
        ORDER BY t_thread[g], g
    ) o
    ON CONFLICT (id) DO UPDATE SET last_message_at = now(), version = present.version + 1;

    INSERT INTO thread_refs AS present (organization_id, inbox_id, ref, thread_id, message_id)
    SELECT DISTINCT ON (m_inbox[r.message], r.ref)
        t_organization[r.message], m_inbox[r.message], r.ref, t_thread[r.message],
        CASE WHEN r.position = 0 AND m_rfc_id[r.message] IS NOT NULL THEN m_id[r.message] END
    FROM unnest(r_message, r_position, r_ref) AS r (message, position, ref)
    ORDER BY m_inbox[r.message], r.ref, r.position, r.message
    ON CONFLICT (inbox_id, ref) DO UPDATE SET message_id = excluded.message_id
    WHERE present.message_id IS NULL AND excluded.message_id IS NOT NULL;

    INSERT INTO blobs (id, organization_id, sha256, size, octets, location, uses)
    SELECT * FROM unnest(
        b_id, b_organization, b_sha256, b_size, b_octets, b_location, b_uses);

    INSERT INTO messages (id, organization_id, environment_id, inbox_id, thread_id, blob_id,
        direction, source, size, subject, sender, recipients, rfc_message_id,
        in_reply_to, reference_ids, sent_at, envelope, body, bodystructure, parts, preview,
        attachments, automated, delivered_to, authentication, metadata, state,
        fingerprint, created_modseq)
    SELECT m.id, t.organization, t.environment, m.inbox, t.thread, m.blob,
        m.direction, m.source, m.size, m.subject, m.sender, m.recipients, m.rfc_id,
        m.in_reply_to, ARRAY(SELECT jsonb_array_elements_text(m.refs)), m.sent_at, m.envelope,
        m.body, m.bodystructure, m.parts, m.preview, m.attachments, m.automated,
        m.delivered_to, m.authentication, m.metadata, m.state, m.fingerprint, t.modseq
    FROM unnest(m_id, m_inbox, m_blob, m_direction, m_source, m_size, m_subject, m_sender,
        m_recipients, m_rfc_id, m_in_reply_to, m_references, m_sent_at, m_envelope,
        m_body, m_bodystructure, m_parts, m_preview, m_attachments, m_automated,
        m_delivered_to, m_authentication, m_metadata, m_state, m_fingerprint) WITH ORDINALITY
        AS m (id, inbox, blob, direction, source, size, subject, sender, recipients, rfc_id,
            in_reply_to, refs, sent_at, envelope, body, bodystructure, parts, preview,
            attachments, automated, delivered_to, authentication, metadata, state, fingerprint, ord)
    JOIN unnest(t_organization, t_environment, t_thread, t_modseq) WITH ORDINALITY
        AS t (organization, environment, thread, modseq, ord) USING (ord);

    INSERT INTO placements (mailbox_id, uid, organization_id, inbox_id, message_id, flags,
        keywords, modseq, size, internal_date, zone)
    SELECT t.mailbox, t.uid, t.organization, m.inbox, m.id, m.flags,
        ARRAY(SELECT jsonb_array_elements_text(m.keywords)), t.modseq, m.size, m.internal_date,
        m.zone
    FROM unnest(m_inbox, m_id, m_flags, m_keywords, m_size, m_internal_date, m_zone)
        WITH ORDINALITY AS m (inbox, id, flags, keywords, size, internal_date, zone, ord)
    JOIN unnest(t_mailbox, t_uid, t_organization, t_modseq) WITH ORDINALITY
        AS t (mailbox, uid, organization, modseq, ord) USING (ord);

    IF EXISTS (SELECT 1 FROM unnest(m_keywords) AS k (words) WHERE k.words <> '[]') THEN
        PERFORM note_keywords(t_mailbox[g], ARRAY(
            SELECT jsonb_array_elements_text(m_keywords[g])))
        FROM generate_series(1, n) AS g WHERE m_keywords[g] <> '[]';
    END IF;

    INSERT INTO deliveries (message_id, recipient, organization_id, inbox_id, state, local,
        options)
    SELECT m_id[d.message], d.recipient, t_organization[d.message], m_inbox[d.message], d.state,
        d.local, d.options
    FROM unnest(d_message, d_recipient, d_state, d_local, d_options)
        AS d (message, recipient, state, local, options);

    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT t_environment[e.message], e.id, t_organization[e.message], m_inbox[e.message], e.type,
        t_modseq[e.message],
        jsonb_build_object('message_id', m_id[e.message], 'thread_id', t_thread[e.message])
    FROM unnest(e_message, e_id, e_type) WITH ORDINALITY AS e (message, id, type, ord)
    ORDER BY e.ord;

    IF cardinality(j_message) > 0 THEN
        INSERT INTO jobs (organization_id, kind, payload)
        SELECT t_organization[j.message], j.kind, jsonb_build_object('message_id', m_id[j.message])
        FROM unnest(j_message, j_kind) AS j (message, kind);
    END IF;

    IF cardinality(l_message) > 0 THEN
        INSERT INTO relays (message_id, organization_id, environment_id, inbox_id, blob_id,
            reverse_path, options)
        SELECT m_id[l.message], t_organization[l.message], t_environment[l.message],
            m_inbox[l.message], m_blob[l.message], l.reverse_path, l.options
        FROM unnest(l_message, l_reverse_path, l_options) AS l (message, reverse_path, options);
    END IF;

    IF cardinality(f_message) > 0 THEN
        INSERT INTO drafts AS present (id, organization_id, environment_id, inbox_id, message_id,
            client_id, in_reply_to, reply_all, forward_of)
        SELECT f.id, t_organization[f.message], t_environment[f.message], m_inbox[f.message],
            m_id[f.message], f.client_id, f.in_reply_to, f.reply_all, f.forward_of
        FROM unnest(f_message, f_id, f_client_id, f_in_reply_to, f_reply_all, f_forward_of)
            AS f (message, id, client_id, in_reply_to, reply_all, forward_of)
        ON CONFLICT (id) DO UPDATE SET message_id = excluded.message_id,
            version = present.version + 1, updated_at = now();
    END IF;

    IF cardinality(x_message) > 0 THEN
        PERFORM expunge(p.inbox_id::text, p.mailbox_id, ARRAY[p.uid], false)
        FROM unnest(x_message, x_replaced) AS x (message, replaced)
        JOIN placements p ON p.message_id = x.replaced AND p.inbox_id = m_inbox[x.message]
        JOIN mailboxes b ON b.id = p.mailbox_id AND b.role = 'drafts';
    END IF;

    IF cardinality(k_message) > 0 THEN
        INSERT INTO idempotency (environment_id, key, organization_id, request_hash, status, body)
        SELECT t_environment[k.message], k.key, t_organization[k.message], k.request_hash, k.status,
            convert_to(jsonb_build_object('id', m_id[k.message], 'thread_id', t_thread[k.message],
                'status', k.answer)::text, 'UTF8')
        FROM unnest(k_message, k_key, k_request_hash, k_status, k_answer)
            AS k (message, key, request_hash, status, answer);
    END IF;

    RETURN QUERY
    SELECT o.ord::integer, o.mailbox, o.validity, o.uid, o.modseq, o.thread
    FROM unnest(t_mailbox, t_uidvalidity, t_uid, t_modseq, t_thread) WITH ORDINALITY
        AS o (mailbox, validity, uid, modseq, thread, ord)
    ORDER BY o.ord;
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
