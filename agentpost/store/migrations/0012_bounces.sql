-- Reports that arrive as mail: what they say of a message that the inbox really sent.

-- Some providers give a message a Message-ID of their own, which holds their name for it.
CREATE INDEX IF NOT EXISTS deliveries_by_provider ON deliveries (provider_id)
    WHERE provider_id IS NOT NULL;

-- Writes what a report says became of a message's recipients: deliveries, the message, and an event
-- for each kind of outcome that is news.  The message is one that this inbox sent to one of the
-- addresses named, found by its own id, its Message-ID or the provider's name for it.  What was
-- told already, by the relay, the provider or another report, is told once.
--
-- Tells what it came to: settled, repeated, unknown (no such message or recipient), or in_flight:
-- nothing is written, because the attempt that is reported on has not been settled itself.
CREATE FUNCTION record_report(
    in_inbox text, in_report text, in_waits boolean, in_moment text, in_feedback jsonb,
    in_messages text[], in_refs bytea[], in_ids text[], in_providers text[],
    -- a_finding counts from 1 in the columns f_*
    a_finding integer[], a_address text[],
    f_noted text[], f_state text[], f_status text[], f_diagnostic text[], f_type text[],
    f_sub_type text[],
    e_ids text[]
) RETURNS text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    -- What is said later in this row counts more, in whatever order it is heard of.
    v_order text[] := ARRAY['queued', 'sending', 'deferred', 'sent', 'failed', 'delivered',
        'rejected', 'bounced', 'complained'];
    v_message text;
    v_told jsonb;
BEGIN
    SELECT c.message_id INTO v_message
    FROM (
        SELECT m.id AS message_id, 0 AS place FROM messages m WHERE m.id = ANY (in_messages)
        UNION ALL
        SELECT m.id, r.place::integer
        FROM unnest(in_refs, in_ids) WITH ORDINALITY AS r (ref, id, place)
        JOIN thread_refs k ON k.inbox_id = in_inbox AND k.ref = r.ref
        JOIN messages m ON m.thread_id = k.thread_id AND m.rfc_message_id = r.id
        UNION ALL
        SELECT d.message_id, 1000 FROM deliveries d WHERE d.provider_id = ANY (in_providers)
    ) c
    JOIN messages m ON m.id = c.message_id AND m.inbox_id = in_inbox AND m.direction = 'outbound'
    WHERE EXISTS (
        SELECT 1 FROM deliveries d
        WHERE d.message_id = m.id AND NOT d.local AND lower(d.recipient) = ANY (a_address))
    ORDER BY c.place, c.message_id DESC LIMIT 1;
    IF v_message IS NULL THEN
        RETURN 'unknown';
    END IF;

    PERFORM hold_senders(ARRAY[v_message], ARRAY['bounced']);
    -- As the relay's own settlement does, so that neither waits for the other in a ring.
    PERFORM 1 FROM relays l WHERE l.message_id = v_message FOR UPDATE;
    PERFORM 1 FROM deliveries d WHERE d.message_id = v_message ORDER BY d.recipient FOR UPDATE;
    IF in_waits THEN
        PERFORM 1 FROM deliveries d
        WHERE d.message_id = v_message AND d.state = 'sending' AND NOT d.local
            AND lower(d.recipient) = ANY (a_address);
        IF FOUND THEN
            RETURN 'in_flight';
        END IF;
    END IF;

    WITH news AS (
        SELECT DISTINCT ON (d.recipient) d.recipient, a.finding, f_noted[a.finding] AS noted,
            f_state[a.finding] AS state, f_status[a.finding] AS status,
            f_diagnostic[a.finding] AS diagnostic, f_type[a.finding] AS type,
            f_sub_type[a.finding] AS sub_type
        FROM deliveries d
        JOIN unnest(a_finding, a_address) AS a (finding, address) ON a.address = lower(d.recipient)
        -- What was never offered to anyone cannot have come back.
        WHERE d.message_id = v_message AND NOT d.local AND d.state <> 'queued'
            AND NOT d.history @> jsonb_build_array(jsonb_build_object('state', f_noted[a.finding]))
            AND (f_state[a.finding] IS NULL
                OR array_position(v_order, f_state[a.finding]) > array_position(v_order, d.state))
        ORDER BY d.recipient, a.finding
    ), written AS (
        UPDATE deliveries d SET state = coalesce(n.state, d.state),
            status = CASE WHEN n.state IS NULL THEN d.status ELSE coalesce(n.status, d.status) END,
            diagnostic = CASE WHEN n.state IS NULL THEN d.diagnostic
                ELSE coalesce(n.diagnostic, d.diagnostic) END,
            history = d.history || jsonb_build_array(jsonb_build_object('at', now(),
                'state', n.noted, 'status', n.status, 'diagnostic', n.diagnostic,
                'report_id', in_report)),
            updated_at = now()
        FROM news n WHERE d.message_id = v_message AND d.recipient = n.recipient
        RETURNING n.*
    )
    SELECT jsonb_agg(to_jsonb(w) ORDER BY w.finding, w.recipient) INTO v_told FROM written w;
    IF v_told IS NULL THEN
        RETURN 'repeated';
    END IF;

    UPDATE messages m SET state = s.state, version = m.version + 1
    FROM (SELECT delivery_summary(v_message) AS state) s
    WHERE m.id = v_message AND m.state <> s.state;

    PERFORM after_outcomes(array_agg(v_message), array_agg(w.recipient), array_agg(w.state),
        array_agg(CASE WHEN w.state <> 'bounced' THEN NULL
            WHEN w.type = 'permanent' THEN bounce_kind(w.status) ELSE 'refused' END))
    FROM jsonb_to_recordset(v_told) AS w (recipient text, state text, status text, type text)
    WHERE w.state IS NOT NULL;

    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT m.environment_id, e_ids[row_number() OVER (ORDER BY g.first)], m.organization_id,
        m.inbox_id, g.event, NULL,
        jsonb_build_object('message_id', m.id, 'thread_id', m.thread_id) || CASE g.event
            WHEN 'message.bounced' THEN jsonb_build_object('bounce_type', g.type,
                'bounce_sub_type', g.sub_type, 'bounced_recipients', g.refusals,
                'bounced_at', in_moment, 'suppressed', bounce_suppresses(jsonb_build_object(
                    'bounce_type', g.type, 'bounced_recipients', g.refusals)))
            WHEN 'message.deferred' THEN jsonb_build_object('deferred_recipients', g.refusals,
                'deferred_at', in_moment)
            WHEN 'message.complained' THEN jsonb_build_object('complained_recipients', g.names,
                'complained_at', in_moment) || in_feedback
            ELSE jsonb_build_object('recipients', g.names, 'smtp_response', g.said,
                'delivered_at', in_moment)
        END
    FROM messages m, (
        SELECT t.event, t.type, min(t.finding) AS first,
            (array_agg(t.sub_type ORDER BY t.finding))[1] AS sub_type,
            (array_agg(t.diagnostic ORDER BY t.finding))[1] AS said,
            jsonb_agg(t.recipient ORDER BY t.finding, t.recipient) AS names,
            jsonb_agg(jsonb_build_object('email_address', t.recipient, 'status', t.status,
                'diagnostic_code', t.diagnostic,
                'action', CASE t.event WHEN 'message.deferred' THEN 'delayed' ELSE 'failed' END)
                ORDER BY t.finding, t.recipient) AS refusals
        FROM (
            SELECT w.*, CASE w.noted
                WHEN 'bounced' THEN 'message.bounced' WHEN 'failed' THEN 'message.bounced'
                WHEN 'deferred' THEN 'message.deferred' WHEN 'delivered' THEN 'message.delivered'
                WHEN 'complained' THEN 'message.complained' END AS event
            FROM jsonb_to_recordset(v_told) AS w (recipient text, finding integer, noted text,
                status text, diagnostic text, type text, sub_type text)
        ) t
        WHERE t.event IS NOT NULL
        GROUP BY t.event, t.type
    ) g
    WHERE m.id = v_message
    ORDER BY g.first;
    RETURN 'settled';
END
$$;
