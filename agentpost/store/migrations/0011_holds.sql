-- Messages that were accepted and wait: for someone's approval, or for a time.
--
-- One row of `holds` is one message that must not leave before it is decided or due.  It goes in the
-- transaction in which the message is released, refused or withdrawn, so that each happens once,
-- whoever is interrupted when.  Where the message lies says the same to mail programs, and moving
-- it is how they decide (`holds_moved`, called by the functions of 0003 that move placements).

CREATE TABLE holds (
    message_id       text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    kind             text NOT NULL CHECK (kind IN ('approval', 'schedule')),
    credential       text COLLATE "C" NOT NULL,
    reverse_path     text NOT NULL,
    options          jsonb NOT NULL DEFAULT '{}',
    send_at          timestamptz,
    due_at           timestamptz NOT NULL,
    draft_id         text COLLATE "C",
    approval_id      text COLLATE "C",
    job_id           bigint NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN holds.credential IS 'who wants it sent, and can therefore not approve it';
COMMENT ON COLUMN holds.due_at IS 'when a schedule is released, or a request for approval expires';
CREATE INDEX holds_by_inbox ON holds (inbox_id);

CREATE TABLE approvals (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    message_id       text COLLATE "C" NOT NULL,
    thread_id        text COLLATE "C" NOT NULL,
    draft_id         text COLLATE "C",
    credential       text COLLATE "C" NOT NULL,
    rule             text NOT NULL,
    state            text NOT NULL DEFAULT 'pending' CHECK (
        state IN ('pending', 'approved', 'rejected', 'expired', 'canceled')),
    told             jsonb NOT NULL,
    send_at          timestamptz,
    expires_at       timestamptz NOT NULL,
    decided_at       timestamptz,
    decided_by       text COLLATE "C",
    reason           text,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN approvals.told IS 'subject, preview and recipients: they outlive the message';
COMMENT ON COLUMN approvals.message_id IS 'the present version: an edit makes another message';
CREATE INDEX approvals_by_inbox ON approvals (inbox_id, id);
CREATE INDEX approvals_by_organization ON approvals (organization_id, id);

-- Who has been written to with somebody's approval: for inboxes that ask only about new recipients.
CREATE TABLE approved_recipients (
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    address          text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (inbox_id, address)
);

ALTER TABLE mail_credentials ADD COLUMN approver boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN mail_credentials.approver IS 'holds approvals:decide: a human''s, not an agent''s';

SELECT wall_off('holds', 'approvals', 'approved_recipients');

-- The mailbox of a role that inboxes get when they first need it; one that bears its name already
-- gets the role.  The lock of the inbox is held.
CREATE FUNCTION special_mailbox(of_inbox text, of_role text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
    v_name text := CASE of_role
        WHEN 'approvals' THEN 'Approvals' WHEN 'approved' THEN 'Approvals/Approved'
        WHEN 'rejected' THEN 'Approvals/Rejected' WHEN 'scheduled' THEN 'Scheduled' END;
BEGIN
    SELECT b.id INTO v_id FROM mailboxes b WHERE b.inbox_id = of_inbox AND b.role = of_role;
    IF NOT FOUND AND v_name IS NOT NULL THEN
        WITH validity AS (
            UPDATE inboxes SET last_uidvalidity =
                greatest(last_uidvalidity + 1, extract(epoch FROM now())::bigint)
            WHERE id = of_inbox RETURNING last_uidvalidity, organization_id, modseq
        )
        INSERT INTO mailboxes AS b
            (inbox_id, organization_id, name, role, subscribed, uidvalidity, modseq)
        SELECT of_inbox, v.organization_id, v_name, of_role, true, v.last_uidvalidity, v.modseq
        FROM validity v
        ON CONFLICT (inbox_id, name) DO UPDATE SET role = excluded.role, subscribed = true,
            selectable = true,
            uidvalidity = CASE WHEN b.selectable THEN b.uidvalidity
                ELSE excluded.uidvalidity END,
            uidnext = CASE WHEN b.selectable THEN b.uidnext ELSE 1 END,
            recent_from = CASE WHEN b.selectable THEN b.recent_from ELSE 1 END
        RETURNING b.id INTO v_id;
    END IF;
    RETURN v_id;
END
$$;

-- Mailboxes for what is about to be held, and room for it.
CREATE FUNCTION prepare_holds(held deposit_hold[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_hold deposit_hold;
BEGIN
    FOREACH v_hold IN ARRAY held LOOP
        IF v_hold.kind = 'approval' THEN
            PERFORM special_mailbox(v_hold.inbox, 'approvals'),
                special_mailbox(v_hold.inbox, 'approved'),
                special_mailbox(v_hold.inbox, 'rejected');
        ELSE
            PERFORM special_mailbox(v_hold.inbox, 'scheduled');
        END IF;
        IF v_hold.revises IS NULL AND v_hold.most <= (
            SELECT count(*) FROM holds h WHERE h.inbox_id = v_hold.inbox
        ) THEN
            RAISE EXCEPTION 'too_many_held' USING ERRCODE = 'AP001';
        END IF;
    END LOOP;
END
$$;

-- What is told of a message that waits for approval.
CREATE FUNCTION approval_told(of_message text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('subject', m.subject, 'preview', m.preview,
        'from_address', m.sender -> 'from' -> 0, 'to_addresses', m.recipients -> 'to',
        'cc_addresses', m.recipients -> 'cc',
        'recipients', (SELECT coalesce(jsonb_agg(d.recipient ORDER BY d.recipient), '[]')
            FROM deliveries d WHERE d.message_id = m.id AND d.state = 'held'))
    FROM messages m WHERE m.id = of_message;
$$;

-- An event about a held message, at the inbox's present modseq.
CREATE FUNCTION tell_hold(h holds, of_id text, of_type text, of_data jsonb) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT h.environment_id, of_id, h.organization_id, h.inbox_id, of_type, i.modseq,
        jsonb_build_object('message_id', h.message_id,
            'thread_id', (SELECT m.thread_id FROM messages m WHERE m.id = h.message_id)) || of_data
    FROM inboxes i WHERE i.id = h.inbox_id;
$$;

-- Writes the holds of messages that have just been stored, with the jobs that end them.
CREATE FUNCTION hold_messages(held deposit_hold[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_hold deposit_hold;
    v_row holds;
    v_job bigint;
BEGIN
    FOREACH v_hold IN ARRAY held LOOP
        IF v_hold.revises IS NOT NULL THEN
            UPDATE holds h SET message_id = v_hold.message, options = v_hold.options
            WHERE h.message_id = v_hold.revises AND h.inbox_id = v_hold.inbox
                AND h.kind = 'approval'
            RETURNING h.* INTO v_row;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'replaced_is_gone' USING ERRCODE = 'AP001';
            END IF;
            UPDATE jobs j SET payload = jsonb_build_object('message_id', v_hold.message)
            WHERE j.id = v_row.job_id;
            UPDATE approvals a SET message_id = v_hold.message, version = a.version + 1,
                told = approval_told(v_hold.message), updated_at = now()
            WHERE a.id = v_row.approval_id;
            CONTINUE;
        END IF;
        INSERT INTO jobs (organization_id, kind, payload, run_at)
        SELECT i.organization_id, 'release', jsonb_build_object('message_id', v_hold.message),
            v_hold.due_at
        FROM inboxes i WHERE i.id = v_hold.inbox
        RETURNING id INTO v_job;
        INSERT INTO holds (message_id, organization_id, environment_id, inbox_id, kind, credential,
            reverse_path, options, send_at, due_at, draft_id, approval_id, job_id)
        SELECT v_hold.message, i.organization_id, i.environment_id, i.id, v_hold.kind,
            v_hold.credential, v_hold.reverse_path, v_hold.options, v_hold.send_at, v_hold.due_at,
            v_hold.draft, v_hold.approval, v_job
        FROM inboxes i WHERE i.id = v_hold.inbox
        RETURNING * INTO v_row;
        IF v_hold.kind = 'approval' THEN
            INSERT INTO approvals (id, organization_id, environment_id, inbox_id, message_id,
                thread_id, draft_id, credential, rule, told, send_at, expires_at)
            SELECT v_hold.approval, m.organization_id, m.environment_id, m.inbox_id, m.id,
                m.thread_id, v_hold.draft, v_hold.credential, v_hold.rule, approval_told(m.id),
                v_hold.send_at, v_hold.due_at
            FROM messages m WHERE m.id = v_hold.message;
            PERFORM tell_hold(v_row, new_id('evt'), 'approval.requested',
                (SELECT jsonb_build_object('approval_id', a.id, 'draft_id', a.draft_id,
                    'rule', a.rule, 'expires_at', iso8601(a.expires_at), 'on_expiry', 'reject')
                    || (a.told - 'recipients')
                FROM approvals a WHERE a.id = v_hold.approval));
        END IF;
    END LOOP;
END
$$;

-- A moment as the API writes it.
CREATE FUNCTION iso8601(moment timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Ends a request for approval.  `by` says who decides: credential, source and reason.
CREATE FUNCTION decide_hold(h holds, verdict text, by jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_reason text := by ->> 'reason';
BEGIN
    IF verdict = 'approved' AND h.due_at <= now() THEN
        RAISE EXCEPTION 'approval_over' USING ERRCODE = 'AP001';
    END IF;
    UPDATE approvals a SET state = verdict, decided_at = now(), version = a.version + 1,
        decided_by = by ->> 'credential', reason = v_reason, updated_at = now()
    WHERE a.id = h.approval_id;
    PERFORM tell_hold(h, new_id('evt'), 'approval.' || verdict, jsonb_build_object(
        'approval_id', h.approval_id, 'draft_id', h.draft_id, 'reason', v_reason,
        'decided_by', by ->> 'credential', 'source', by ->> 'source'));
    INSERT INTO audit (organization_id, environment_id, actor, action, resource, detail)
    VALUES (h.organization_id, h.environment_id, by ->> 'credential', 'approval.' || verdict,
        h.approval_id, jsonb_build_object('inbox', h.inbox_id, 'message', h.message_id));
    IF verdict = 'approved' THEN
        UPDATE holds x SET kind = 'schedule', due_at = greatest(x.send_at, now())
        WHERE x.message_id = h.message_id;
        UPDATE jobs j SET run_at = greatest(h.send_at, now()), attempts = 0, leased_until = NULL,
            state = 'ready'
        WHERE j.id = h.job_id;
        UPDATE messages m SET state = 'scheduled', version = m.version + 1
        WHERE m.id = h.message_id;
        UPDATE deliveries d SET state = 'scheduled', updated_at = now()
        WHERE d.message_id = h.message_id AND d.state = 'held';
        INSERT INTO approved_recipients (inbox_id, address, organization_id)
        SELECT h.inbox_id, lower(d.recipient), h.organization_id
        FROM deliveries d WHERE d.message_id = h.message_id AND d.state = 'scheduled'
        ON CONFLICT DO NOTHING;
        RETURN;
    END IF;
    PERFORM end_hold(h, 'rejected', coalesce(v_reason, verdict));
    PERFORM tell_hold(h, new_id('evt'), 'message.rejected', jsonb_build_object(
        'reason_code', 'policy', 'reason', concat_ws(': ', 'The approval was ' ||
            CASE verdict WHEN 'expired' THEN 'not given in time' ELSE 'refused' END, v_reason),
        'recipients', (SELECT a.told -> 'recipients' FROM approvals a WHERE a.id = h.approval_id)));
END
$$;

-- The message will not be sent: its hold goes, and the same submission may come again.
CREATE FUNCTION end_hold(h holds, of_state text, diagnostic text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM holds x WHERE x.message_id = h.message_id;
    DELETE FROM jobs j WHERE j.id = h.job_id;
    UPDATE messages m SET state = of_state, fingerprint = NULL, version = m.version + 1
    WHERE m.id = h.message_id;
    IF of_state = 'draft' THEN
        DELETE FROM deliveries d WHERE d.message_id = h.message_id;
    ELSE
        UPDATE deliveries d SET state = of_state, diagnostic = end_hold.diagnostic,
            updated_at = now()
        WHERE d.message_id = h.message_id AND d.state IN ('held', 'scheduled');
    END IF;
END
$$;

-- Who wanted it sent, or somebody for him, takes it back.
CREATE FUNCTION withdraw_hold(h holds, to_draft boolean, by jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE approvals a SET state = 'canceled', decided_at = now(), version = a.version + 1,
        decided_by = by ->> 'credential', reason = by ->> 'reason', updated_at = now()
    WHERE a.id = h.approval_id AND a.state = 'pending';
    PERFORM end_hold(h, CASE WHEN to_draft THEN 'draft' ELSE 'canceled' END, NULL);
    -- A draft that is scheduled otherwise, or not any longer, is no message that was cancelled.
    IF h.draft_id IS NULL THEN
        PERFORM tell_hold(h, new_id('evt'), 'message.updated', status_change(
            CASE h.kind WHEN 'approval' THEN 'held' ELSE 'scheduled' END,
            CASE WHEN to_draft THEN 'draft' ELSE 'canceled' END, by));
    END IF;
END
$$;

-- The data of message.updated for a message whose status changed.
CREATE FUNCTION status_change(before text, after text, by jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'changes', jsonb_build_object('status', jsonb_build_object('from', before, 'to', after)),
        'source', coalesce(by ->> 'source', 'system'),
        'actor', jsonb_build_object('type', 'credential', 'id', by ->> 'credential'));
$$;

-- Called when placements of messages have gone from a mailbox of a role, or come to one; the roles
-- are null for other mailboxes, and `to_role` is 'expunged' when they went for good.  Moving a
-- held message decides about it.
CREATE FUNCTION holds_moved(of_inbox text, ids text[], from_role text, to_role text, by jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
    v_decides boolean := coalesce((by ->> 'decides')::boolean, false);
    v_own boolean;
BEGIN
    FOR h IN SELECT x.* FROM holds x
        WHERE x.message_id = ANY (ids) AND x.inbox_id = of_inbox ORDER BY x.message_id
    LOOP
        v_own := h.credential IS NOT DISTINCT FROM (by ->> 'credential');
        IF h.kind = 'approval' AND to_role IN ('approved', 'rejected') THEN
            IF NOT v_decides THEN
                RAISE EXCEPTION 'not_approver' USING ERRCODE = 'AP001';
            ELSIF v_own THEN
                RAISE EXCEPTION 'own_approval' USING ERRCODE = 'AP001';
            END IF;
            PERFORM decide_hold(h, CASE WHEN (by ->> 'expired')::boolean THEN 'expired'
                ELSE to_role END, by);
            IF to_role = 'approved' AND h.send_at > now() THEN
                PERFORM file_scheduled(h);
            END IF;
        ELSIF h.kind = 'approval' THEN
            IF from_role = 'approvals' AND to_role IS DISTINCT FROM 'approvals' THEN
                IF v_decides AND NOT v_own THEN
                    PERFORM decide_hold(h, 'rejected', by);
                ELSE
                    PERFORM withdraw_hold(h, to_role IS NOT DISTINCT FROM 'drafts', by);
                END IF;
            END IF;
        ELSIF from_role = 'scheduled' AND to_role IS DISTINCT FROM 'scheduled' THEN
            PERFORM withdraw_hold(h, to_role IS NOT DISTINCT FROM 'drafts', by);
        ELSIF to_role = 'expunged' AND NOT EXISTS (
            SELECT 1 FROM placements p WHERE p.message_id = h.message_id
        ) THEN
            PERFORM withdraw_hold(h, false, by);
        END IF;
    END LOOP;
END
$$;

-- An approved message that is to be sent later lies in Scheduled too, where it can be stopped.
CREATE FUNCTION file_scheduled(h holds) RETURNS void
LANGUAGE sql AS $$
    SELECT copy_placements(h.inbox_id, p.mailbox_id, ARRAY[p.uid],
        special_mailbox(h.inbox_id, 'scheduled'), false)
    FROM placements p JOIN mailboxes b ON b.id = p.mailbox_id AND b.role = 'approved'
    WHERE p.message_id = h.message_id LIMIT 1;
$$;

-- Moves a message that waits to the mailbox of a role, from mailboxes of the other roles.
CREATE FUNCTION move_to_role(
    of_inbox text, of_message text, from_roles text[], to_role text, by jsonb
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_target bigint := special_mailbox(of_inbox, to_role);
    p record;
    v_there boolean;
BEGIN
    v_there := EXISTS (SELECT 1 FROM placements x
        WHERE x.message_id = of_message AND x.mailbox_id = v_target);
    FOR p IN SELECT x.mailbox_id, x.uid
        FROM placements x JOIN mailboxes b ON b.id = x.mailbox_id
        WHERE x.message_id = of_message AND b.role = ANY (from_roles)
        ORDER BY x.save_date, x.mailbox_id
    LOOP
        IF v_there THEN
            PERFORM expunge(of_inbox, p.mailbox_id, ARRAY[p.uid], false, NULL, by);
        ELSE
            PERFORM copy_placements(of_inbox, p.mailbox_id, ARRAY[p.uid], v_target, true, NULL, by);
            v_there := true;
        END IF;
    END LOOP;
END
$$;

-- Approves or rejects over REST: the same as moving the message.  Answers the message.
CREATE FUNCTION decide_approval(of_approval text, to_role text, by jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
    v_inbox text;
BEGIN
    SELECT a.inbox_id INTO v_inbox FROM approvals a WHERE a.id = of_approval;
    PERFORM 1 FROM inboxes i WHERE i.id = v_inbox FOR UPDATE;
    SELECT x.* INTO h FROM holds x JOIN approvals a ON a.id = x.approval_id
    WHERE x.approval_id = of_approval AND x.kind = 'approval' AND a.state = 'pending';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'approval_over' USING ERRCODE = 'AP001';
    END IF;
    PERFORM move_to_role(h.inbox_id, h.message_id, '{approvals}', to_role, by);
    RETURN h.message_id;
END
$$;

-- What a message waits for whose moment has come, its inbox locked; no row when it waits no longer.
CREATE FUNCTION due_hold(of_message text, of_kind text) RETURNS SETOF holds
LANGUAGE plpgsql AS $$
DECLARE
    v_inbox text;
BEGIN
    SELECT x.inbox_id INTO v_inbox FROM holds x WHERE x.message_id = of_message;
    PERFORM 1 FROM inboxes i WHERE i.id = v_inbox FOR UPDATE;
    RETURN QUERY SELECT x.* FROM holds x
    WHERE x.message_id = of_message AND x.kind = of_kind AND x.due_at <= now();
END
$$;

-- Ends a request for approval that nobody has answered in time.
CREATE FUNCTION expire_hold(of_message text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
BEGIN
    SELECT x.* INTO h FROM due_hold(of_message, 'approval') AS x;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM move_to_role(h.inbox_id, h.message_id, '{approvals}', 'rejected', jsonb_build_object(
        'credential', 'system', 'source', 'system', 'decides', true, 'expired', true));
    RETURN h.inbox_id;
END
$$;

-- Takes back a message that waits, or of which no recipient has been tried with success yet.  The
-- relay takes up a message under the same lock, so one of the two comes first.  Answers what was
-- done: its status before.
CREATE FUNCTION cancel_message(of_message text, by jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
    m messages;
    v_blob text;
BEGIN
    PERFORM 1 FROM inboxes i JOIN messages x ON x.inbox_id = i.id
    WHERE x.id = of_message FOR UPDATE OF i;
    SELECT x.* INTO m FROM messages x WHERE x.id = of_message;
    IF m.state = 'canceled' THEN
        RETURN m.state;
    END IF;
    SELECT x.* INTO h FROM holds x WHERE x.message_id = of_message;
    IF FOUND THEN
        PERFORM withdraw_hold(h, false, by);
        PERFORM move_to_role(m.inbox_id, m.id, '{approvals,approved,scheduled,sent}', 'trash', by);
        RETURN m.state;
    END IF;
    SELECT r.blob_id INTO v_blob FROM relays r WHERE r.message_id = of_message FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not_waiting' USING ERRCODE = 'AP001';
    END IF;
    PERFORM 1 FROM deliveries d WHERE d.message_id = of_message
        AND d.state NOT IN ('queued', 'deferred', 'bounced', 'rejected', 'failed');
    IF FOUND THEN
        RAISE EXCEPTION 'under_way' USING ERRCODE = 'AP001';
    END IF;
    UPDATE deliveries d SET state = 'canceled', updated_at = now()
    WHERE d.message_id = of_message AND d.state IN ('queued', 'deferred');
    DELETE FROM relays r WHERE r.message_id = of_message;
    PERFORM release_blobs(ARRAY[v_blob]);
    UPDATE messages x SET state = 'canceled', fingerprint = NULL, version = x.version + 1
    WHERE x.id = of_message;
    PERFORM move_to_role(m.inbox_id, m.id, '{approvals,approved,scheduled,sent}', 'trash', by);
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT m.environment_id, new_id('evt'), m.organization_id, m.inbox_id, 'message.updated',
        i.modseq, jsonb_build_object('message_id', m.id, 'thread_id', m.thread_id)
            || status_change(m.state, 'canceled', by)
    FROM inboxes i WHERE i.id = m.inbox_id;
    RETURN m.state;
END
$$;

-- Puts a released message into Sent: out of Scheduled, and beside Approvals/Approved.  A copy of it
-- that its mail program has filed there meanwhile goes, so that Sent shows one.
CREATE FUNCTION file_sent(h holds) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_sent bigint := (SELECT b.id FROM mailboxes b
        WHERE b.inbox_id = h.inbox_id AND b.role = 'sent');
    p record;
BEGIN
    PERFORM expunge(h.inbox_id, q.mailbox_id, ARRAY[q.uid], false)
    FROM messages m JOIN messages c ON c.thread_id = m.thread_id AND c.id <> m.id
        AND c.rfc_message_id = m.rfc_message_id AND c.source = 'imap' AND c.state = 'stored'
        JOIN placements q ON q.message_id = c.id AND q.mailbox_id = v_sent
    WHERE m.id = h.message_id;
    SELECT x.mailbox_id, x.uid, coalesce(b.role = 'approved', false) AS kept INTO p
    FROM placements x JOIN mailboxes b ON b.id = x.mailbox_id WHERE x.message_id = h.message_id
    ORDER BY b.role = 'scheduled' DESC NULLS LAST, x.save_date, x.mailbox_id LIMIT 1;
    IF p.mailbox_id IS DISTINCT FROM v_sent THEN
        PERFORM copy_placements(h.inbox_id, p.mailbox_id, ARRAY[p.uid], v_sent, NOT p.kept);
    END IF;
    -- Its uid is new in this transaction, so nobody has seen its flags yet.
    UPDATE placements x SET flags = (x.flags | 1) & ~16
    WHERE x.message_id = h.message_id AND x.mailbox_id = v_sent;
END
$$;

-- Lets a message go that is due: Sent, deliveries, relay, events and jobs in one transaction, and
-- with them its arrival in inboxes that live here (the last arguments are those of `deposit`).
-- Answers its inbox; null when it is not waiting any longer.
CREATE FUNCTION release_hold(
    of_message text, to_state text, remote boolean, job_kinds text[],
    r_recipient text[], r_state text[], r_local boolean[], r_status text[], r_diagnostic text[],
    e_id text[], e_type text[], e_data jsonb[],
    inbox_ids text[], arrivals deposit_message[], octets deposit_blob[]
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
    v_inbox text;
BEGIN
    SELECT x.inbox_id INTO v_inbox FROM holds x WHERE x.message_id = of_message;
    -- In the order of `deposit`, so that two of them cannot wait for each other in a ring.
    PERFORM 1 FROM inboxes i WHERE i.id = ANY (inbox_ids || v_inbox) ORDER BY i.id FOR UPDATE;
    DELETE FROM holds x
    WHERE x.message_id = of_message AND x.kind = 'schedule' AND x.due_at <= now()
    RETURNING x.* INTO h;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM jobs j WHERE j.id = h.job_id;
    UPDATE deliveries d SET state = r.state, local = r.local, status = r.status,
        diagnostic = r.diagnostic, updated_at = now()
    FROM unnest(r_recipient, r_state, r_local, r_status, r_diagnostic)
        AS r (recipient, state, local, status, diagnostic)
    WHERE d.message_id = of_message AND d.recipient = r.recipient;
    PERFORM file_sent(h);
    UPDATE messages m SET state = to_state, version = m.version + 1,
        fingerprint = CASE to_state WHEN 'rejected' THEN NULL ELSE m.fingerprint END
    WHERE m.id = of_message;
    IF remote THEN
        INSERT INTO relays (message_id, organization_id, environment_id, inbox_id, blob_id,
            reverse_path, options)
        SELECT m.id, m.organization_id, m.environment_id, m.inbox_id, m.blob_id, h.reverse_path,
            h.options
        FROM messages m WHERE m.id = of_message;
        UPDATE blobs b SET uses = b.uses + 1
        FROM messages m WHERE m.id = of_message AND b.id = m.blob_id;
    END IF;
    INSERT INTO jobs (organization_id, kind, payload)
    SELECT h.organization_id, k, jsonb_build_object('message_id', of_message)
    FROM unnest(job_kinds) AS k;
    PERFORM tell_hold(h, e.id, e.type, e.data)
    FROM unnest(e_id, e_type, e_data) WITH ORDINALITY AS e (id, type, data, ord);
    IF h.draft_id IS NOT NULL THEN
        PERFORM mark_answered(d) FROM drafts d WHERE d.id = h.draft_id;
        DELETE FROM drafts d WHERE d.id = h.draft_id;
    END IF;
    IF cardinality(arrivals) > 0 THEN
        PERFORM deposit(inbox_ids, arrivals, octets, '{}', '{}', '{}', '{}', '{}', '{}', '{}',
            '{}', '{}', '{}', '{}');
    END IF;
    RETURN h.inbox_id;
END
$$;

-- The message that a sent draft answers or forwards shows it.
CREATE FUNCTION mark_answered(d drafts) RETURNS void
LANGUAGE sql AS $$
    SELECT store_flags(p.inbox_id, p.mailbox_id, ARRAY[p.uid], 'add',
        (CASE WHEN d.in_reply_to IS NULL THEN 0 ELSE 2 END)::smallint,
        CASE WHEN d.in_reply_to IS NULL THEN ARRAY['$Forwarded'] ELSE '{}' END, NULL)
    FROM placements p
    WHERE p.message_id = coalesce(d.in_reply_to, d.forward_of) AND p.inbox_id = d.inbox_id;
$$;

-- Gives a due draft back to its writer, because it could not be sent.  Answers its inbox; null when
-- it is not waiting any longer.
CREATE FUNCTION return_draft(of_message text, e_id text, e_data jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h holds;
BEGIN
    SELECT x.* INTO h FROM due_hold(of_message, 'schedule') AS x;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM end_hold(h, 'draft', NULL);
    PERFORM move_to_role(h.inbox_id, of_message, '{approvals,approved,scheduled}', 'drafts', NULL);
    UPDATE drafts d SET version = d.version + 1, updated_at = now() WHERE d.id = h.draft_id;
    PERFORM tell_hold(h, e_id, 'draft.send_failed', e_data);
    RETURN h.inbox_id;
END
$$;
