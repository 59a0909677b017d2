-- What a provider hands over: mail for inboxes here, and what became of mail that left.

-- Notifications that have had their effect.  The row is written in the transaction of the effect,
-- so that a repetition finds it exactly when there is nothing left to do.
CREATE TABLE notifications (
    id               text COLLATE "C" PRIMARY KEY,
    received_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notifications_by_age ON notifications (received_at);

-- Mail by the provider's name for it, whether a notification or the sweep of the bucket brought it.
CREATE TABLE inbound_mails (
    id               text COLLATE "C" PRIMARY KEY,
    object_key       text COLLATE "C",
    outcome          text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN inbound_mails.outcome IS 'delivered | unknown | loop | too_large | unacceptable';
CREATE INDEX inbound_mails_by_object ON inbound_mails (object_key) WHERE object_key IS NOT NULL;
CREATE INDEX inbound_mails_by_age ON inbound_mails (created_at);

-- Which inboxes got it.  The same mail may be told several times, each time for other recipients.
CREATE TABLE inbound_arrivals (
    mail_id          text COLLATE "C" NOT NULL REFERENCES inbound_mails ON DELETE CASCADE,
    inbox_id         text COLLATE "C" NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    organization_id  text COLLATE "C" NOT NULL,
    ref              bytea,
    assumed          boolean NOT NULL DEFAULT false,
    PRIMARY KEY (mail_id, inbox_id)
);
COMMENT ON COLUMN inbound_arrivals.ref IS 'the key of its Message-ID in thread_refs';
COMMENT ON COLUMN inbound_arrivals.assumed IS
    'nobody said that the inbox was in the envelope, and no mail of this Message-ID that was'
    ' for it for sure has come since';
CREATE INDEX inbound_arrivals_by_inbox ON inbound_arrivals (inbox_id);
CREATE INDEX inbound_arrivals_assumed ON inbound_arrivals (inbox_id, ref) WHERE assumed;

SELECT wall_off('inbound_arrivals');

-- Writes down that a mail came, and tells which of the inboxes offered are to get it now: not one
-- that has it already.  None of them when the notification is a repetition.
--
-- Where the envelope is not known, an inbox that the header names is assumed to be meant.  It does
-- not get the mail when one with its Message-ID is there; and when the one that was for it for sure
-- comes later, as senders give each recipient a copy of his own, that one is there already.
CREATE FUNCTION claim_mail(
    in_mail text, in_object text, in_outcome text, in_notification text, in_ref bytea,
    in_inboxes text[], in_assumed boolean[]
) RETURNS TABLE (inbox_id text, returned boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    -- The locks that storing the mail takes, in its order, before any other.
    PERFORM 1 FROM inboxes i WHERE i.id = ANY (in_inboxes) ORDER BY i.id FOR UPDATE;
    IF in_notification IS NOT NULL THEN
        INSERT INTO notifications (id) VALUES (in_notification) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO inbound_mails AS present (id, object_key, outcome)
    VALUES (in_mail, in_object, in_outcome)
    ON CONFLICT (id) DO UPDATE SET object_key = coalesce(present.object_key, excluded.object_key),
        outcome = CASE WHEN excluded.outcome = 'delivered' THEN 'delivered'
            ELSE present.outcome END;

    RETURN QUERY
    WITH fresh AS (
        INSERT INTO inbound_arrivals (mail_id, inbox_id, organization_id, ref, assumed)
        SELECT in_mail, i.id, i.organization_id, in_ref, o.assumed
        FROM unnest(in_inboxes, in_assumed) AS o (inbox, assumed)
        JOIN inboxes i ON i.id = o.inbox
        ON CONFLICT DO NOTHING
        RETURNING inbox_id, assumed
    ), expected AS (
        UPDATE inbound_arrivals a SET assumed = false
        FROM fresh f
        WHERE NOT f.assumed AND a.inbox_id = f.inbox_id AND a.ref = in_ref AND a.assumed
            AND a.mail_id <> in_mail
        RETURNING a.inbox_id
    ), known AS (
        SELECT f.inbox_id, m.direction FROM fresh f
        JOIN thread_refs k ON k.inbox_id = f.inbox_id AND k.ref = in_ref
        JOIN messages m ON m.id = k.message_id
    )
    SELECT f.inbox_id::text,
        EXISTS (SELECT 1 FROM known k WHERE k.inbox_id = f.inbox_id AND k.direction = 'outbound')
    FROM fresh f
    WHERE f.inbox_id NOT IN (SELECT e.inbox_id FROM expected e)
        AND NOT (f.assumed AND EXISTS (
            SELECT 1 FROM known k WHERE k.inbox_id = f.inbox_id AND k.direction = 'inbound'));
END
$$;

CREATE INDEX deliveries_by_provider ON deliveries (provider_id) WHERE provider_id IS NOT NULL;

-- Feedback comes in any order, and may overtake what the relay itself has to write.
CREATE FUNCTION delivery_rank(of_state text) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN CASE of_state
    WHEN 'sent' THEN 1
    WHEN 'failed' THEN 2
    WHEN 'delivered' THEN 3
    WHEN 'bounced' THEN 4
    WHEN 'rejected' THEN 4
    WHEN 'complained' THEN 5
    ELSE 0
END;

CREATE FUNCTION keep_delivery_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.state := OLD.state;
    RETURN NEW;
END
$$;
-- The condition is looked at without a call, so that the relay pays nothing for it.
CREATE TRIGGER deliveries_keep_state BEFORE UPDATE OF state ON deliveries FOR EACH ROW
WHEN (OLD.state IN ('delivered', 'bounced', 'complained', 'rejected', 'failed')
    AND NEW.state IN ('queued', 'sending', 'deferred', 'sent'))
EXECUTE FUNCTION keep_delivery_state();

-- Writes what a provider says became of a message's recipients: deliveries, the message, one event
-- for all recipients of whom it is news.  The message is the one named, else the only one that the
-- provider calls by this name.
--
-- Tells what it came to: settled, repeated, unknown (no such message or recipient), or in_doubt:
-- nothing is written, because the attempt that it proves has not been settled itself.
CREATE FUNCTION settle_feedback(
    in_notification text, in_message text, in_provider text, in_confirmed boolean,
    in_state text, in_kind text, in_at timestamptz,
    -- o_item is what the event says of a recipient, in the list e_list
    o_recipient text[], o_status text[], o_diagnostic text[], o_item jsonb[],
    e_id text, e_type text, e_data jsonb, e_list text
) RETURNS TABLE (outcome text, inbox_id text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_message text;
    v_inbox text;
    v_told text[];
    v_items jsonb;
BEGIN
    SELECT min(d.message_id) INTO v_message FROM deliveries d
    WHERE d.message_id = in_message AND NOT d.local;
    IF v_message IS NULL THEN
        SELECT min(d.message_id) INTO v_message FROM deliveries d
        WHERE d.provider_id = in_provider AND NOT d.local
        HAVING count(DISTINCT d.message_id) = 1;
    END IF;
    -- As the relay's own settlement does, so that neither waits for the other in a ring.
    PERFORM hold_senders(ARRAY[v_message], ARRAY[in_state]);
    PERFORM 1 FROM relays l WHERE l.message_id = v_message FOR UPDATE;
    PERFORM 1 FROM deliveries d WHERE d.message_id = v_message ORDER BY d.recipient FOR UPDATE;
    IF NOT in_confirmed THEN
        PERFORM 1 FROM deliveries d JOIN unnest(o_recipient) AS o (recipient)
            ON lower(o.recipient) = lower(d.recipient)
        WHERE d.message_id = v_message AND d.state IN ('queued', 'sending', 'deferred')
            AND NOT d.local;
        IF FOUND THEN
            RETURN QUERY SELECT 'in_doubt', NULL;
            RETURN;
        END IF;
    END IF;
    INSERT INTO notifications (id) VALUES (in_notification) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'repeated', NULL;
        RETURN;
    END IF;

    SELECT array_agg(d.recipient ORDER BY o.ord), jsonb_agg(o.item ORDER BY o.ord), min(d.inbox_id)
    INTO v_told, v_items, v_inbox
    FROM unnest(o_recipient, o_item) WITH ORDINALITY AS o (recipient, item, ord)
    JOIN deliveries d ON d.message_id = v_message AND NOT d.local
        AND lower(d.recipient) = lower(o.recipient)
    WHERE NOT d.history @> jsonb_build_array(jsonb_build_object('state', in_state));
    IF v_told IS NULL THEN
        PERFORM 1 FROM deliveries d JOIN unnest(o_recipient) AS o (recipient)
            ON lower(o.recipient) = lower(d.recipient)
        WHERE d.message_id = v_message AND NOT d.local;
        RETURN QUERY SELECT CASE WHEN FOUND THEN 'repeated' ELSE 'unknown' END, NULL;
        RETURN;
    END IF;

    UPDATE deliveries d SET
        state = CASE WHEN delivery_rank(in_state) > delivery_rank(d.state) THEN in_state
            ELSE d.state END,
        status = CASE WHEN delivery_rank(in_state) >= delivery_rank(d.state)
            THEN coalesce(o.status, d.status) ELSE d.status END,
        diagnostic = CASE WHEN delivery_rank(in_state) >= delivery_rank(d.state)
            THEN coalesce(o.diagnostic, d.diagnostic) ELSE d.diagnostic END,
        provider_id = coalesce(d.provider_id, in_provider),
        history = d.history || jsonb_build_array(jsonb_build_object('at', in_at, 'state', in_state,
            'status', o.status, 'diagnostic', o.diagnostic)),
        updated_at = now()
    FROM unnest(o_recipient, o_status, o_diagnostic) AS o (recipient, status, diagnostic)
    WHERE d.message_id = v_message AND d.recipient = ANY (v_told)
        AND lower(d.recipient) = lower(o.recipient);

    UPDATE messages m SET state = s.state, version = m.version + 1
    FROM (SELECT delivery_summary(v_message) AS state) s
    WHERE m.id = v_message AND m.state <> s.state;

    -- A delivery's inbox is there longer than its message, which the sender may have deleted.
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT i.environment_id, e_id, i.organization_id, i.id, e_type, NULL,
        jsonb_build_object('message_id', v_message, 'thread_id', m.thread_id, e_list, v_items)
            || e_data || CASE WHEN e_type = 'message.bounced' THEN jsonb_build_object('suppressed',
                bounce_suppresses(jsonb_build_object(e_list, v_items) || e_data)) ELSE '{}' END
    FROM inboxes i LEFT JOIN messages m ON m.id = v_message
    WHERE i.id = v_inbox;

    PERFORM after_outcomes(array_agg(v_message), array_agg(d.recipient), array_agg(in_state),
        array_agg(CASE in_kind WHEN 'permanent' THEN bounce_kind(o.status) ELSE in_kind END))
    FROM unnest(o_recipient, o_status) AS o (recipient, status)
    JOIN deliveries d ON d.message_id = v_message AND d.recipient = ANY (v_told)
        AND lower(d.recipient) = lower(o.recipient);

    RETURN QUERY SELECT 'settled', v_inbox;
END
$$;
