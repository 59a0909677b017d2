-- What a provider's events say about attempts whose answer may have been lost.

-- An event tells that attempt p_attempt for a message was accepted for p_recipients.  Whoever is
-- still to be served becomes sent, and message.sent is told unless it has been: p_event is its id
-- and p_data what it says besides the recipients.  An outcome that is known already stays.  Tells
-- the inbox when anything changed.
CREATE FUNCTION confirm_sending(
    p_message text, p_attempt integer, p_provider_id text, p_recipients text[],
    p_event text, p_data jsonb
) RETURNS text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
DECLARE
    v_recipients text[] := ARRAY(SELECT lower(r) FROM unnest(p_recipients) AS r);
    v_begun_at timestamptz;
    v_told text[];
    v_inbox text;
BEGIN
    -- It proves that events come; once a second is often enough to note that.
    SELECT max(d.begun_at) INTO v_begun_at FROM deliveries d
    WHERE d.message_id = p_message AND d.attempts = p_attempt;
    UPDATE feedback_line f SET heard_at = v_begun_at
    WHERE f.heard_at < v_begun_at - interval '1 second';

    -- Before its deliveries, as whoever settles an attempt takes them.
    PERFORM 1 FROM relays l WHERE l.message_id = p_message FOR UPDATE;
    WITH settled AS (
        UPDATE deliveries d SET state = 'sent', status = '2.0.0', diagnostic = NULL,
            provider_id = p_provider_id, updated_at = now(),
            history = d.history || jsonb_build_object('at', now(), 'state', 'sent',
                'status', '2.0.0', 'diagnostic', NULL)
        WHERE d.message_id = p_message AND NOT d.local AND lower(d.recipient) = ANY (v_recipients)
            AND d.state IN ('queued', 'sending', 'deferred') AND d.attempts >= p_attempt
        RETURNING d.recipient, d.inbox_id
    )
    SELECT array_agg(s.recipient ORDER BY s.recipient), min(s.inbox_id) INTO v_told, v_inbox
    FROM settled s;
    IF v_told IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE messages m SET state = s.state, version = m.version + 1
    FROM (SELECT delivery_summary(p_message) AS state) s
    WHERE m.id = p_message AND m.state <> s.state;

    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT l.environment_id, p_event, l.organization_id, l.inbox_id, 'message.sent', NULL,
        jsonb_build_object('message_id', l.message_id, 'thread_id', m.thread_id)
            || p_data || jsonb_build_object('recipients', to_jsonb(v_told))
    FROM relays l LEFT JOIN messages m ON m.id = l.message_id
    WHERE l.message_id = p_message AND NOT l.accepted;
    UPDATE relays l SET accepted = true WHERE l.message_id = p_message AND NOT l.accepted;
    PERFORM after_outcomes(array_agg(p_message), array_agg(t), array_agg('sent'::text),
        array_agg(NULL::text))
    FROM unnest(v_told) AS t;
    RETURN v_inbox;
END
$$;

-- Some server listens for events.  After half a minute without one, a new period begins.
CREATE FUNCTION listening() RETURNS void
LANGUAGE sql AS $$
    UPDATE feedback_line f SET up_at = now(),
        up_since = CASE WHEN f.up_at < now() - interval '30 seconds' THEN now()
            ELSE f.up_since END
    WHERE f.up_at < now() - interval '5 seconds';
$$;
