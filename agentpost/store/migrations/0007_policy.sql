-- What decides whether mail may be sent or received: filter rules, suppressions, reputation.

-- An id as ids.py makes them, where PostgreSQL itself finds that something happened.
CREATE FUNCTION new_id(prefix text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    alphabet CONSTANT text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    v_time bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    -- The version and the variant of a UUID stand in its 7th and 9th octet; the others are random.
    v_random bytea := uuid_send(gen_random_uuid());
    v_number bigint;
    v_text text := '';
BEGIN
    FOR i IN REVERSE 9..0 LOOP
        v_text := v_text || substr(alphabet, (v_time >> (5 * i) & 31)::integer + 1, 1);
    END LOOP;
    FOREACH v_number IN ARRAY ARRAY[
        ('x' || encode(substr(v_random, 1, 5), 'hex'))::bit(40)::bigint,
        ('x' || encode(substr(v_random, 12, 5), 'hex'))::bit(40)::bigint]
    LOOP
        FOR i IN REVERSE 7..0 LOOP
            v_text := v_text || substr(alphabet, (v_number >> (5 * i) & 31)::integer + 1, 1);
        END LOOP;
    END LOOP;
    RETURN prefix || '_' || v_text;
END
$$;

-- As auth/addresses.py: ASCII letters in lower case, no needless quotes.
CREATE FUNCTION canonical_address(address text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN translate(
    regexp_replace(address, '^"([A-Za-z0-9!#$%&''*+/=?^_`{|}~.-]+)"(@[^@]*)$', '\1\2'),
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');

CREATE TABLE filter_rules (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C",
    inbox_id         text COLLATE "C",
    direction        text NOT NULL CHECK (direction IN ('send', 'receive', 'reply')),
    action           text NOT NULL CHECK (action IN ('allow', 'block')),
    match_type       text NOT NULL CHECK (match_type IN ('address', 'domain', 'subdomain_wildcard')),
    value            text COLLATE "C" NOT NULL,
    note             text,
    client_id        text,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (inbox_id IS NULL OR environment_id IS NOT NULL)
);
COMMENT ON COLUMN filter_rules.environment_id IS 'null: the whole organization';
COMMENT ON COLUMN filter_rules.inbox_id IS 'null: the whole environment';
-- No two rules of one place speak about the same addresses, so that one always decides.
CREATE UNIQUE INDEX filter_rules_once ON filter_rules (organization_id,
    coalesce(environment_id, ''), coalesce(inbox_id, ''), direction, match_type, value);
CREATE UNIQUE INDEX filter_rules_client_id ON filter_rules (organization_id,
    coalesce(environment_id, ''), client_id);

CREATE TABLE suppressions (
    environment_id   text COLLATE "C" NOT NULL,
    address          text COLLATE "C" NOT NULL,
    id               text COLLATE "C" NOT NULL UNIQUE,
    organization_id  text COLLATE "C" NOT NULL,
    source           text NOT NULL CHECK (source IN ('bounce', 'complaint', 'unsubscribe', 'manual')),
    reason           text,
    message_id       text COLLATE "C",
    expires_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, address)
);
CREATE INDEX suppressions_by_organization ON suppressions (organization_id, id);
COMMENT ON COLUMN suppressions.message_id IS 'the message whose bounce or complaint it was';

-- What has been counted already, and where the message came from after its sender deleted it.
CREATE TABLE outcomes (
    message_id       text COLLATE "C" NOT NULL,
    recipient        bytea NOT NULL,
    state            text NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, recipient, state)
);
COMMENT ON COLUMN outcomes.recipient IS 'first 16 octets of the SHA-256 of the canonical address';
CREATE INDEX outcomes_by_age ON outcomes (created_at);

CREATE TABLE reputation (
    inbox_id         text COLLATE "C" NOT NULL,
    day              date NOT NULL,
    organization_id  text COLLATE "C" NOT NULL,
    sent             integer NOT NULL DEFAULT 0,
    bounced          integer NOT NULL DEFAULT 0,
    complained       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (inbox_id, day)
) WITH (fillfactor = 70);
COMMENT ON COLUMN reputation.sent IS 'recipients that the mail of this day was offered to';
CREATE INDEX reputation_by_day ON reputation (day);

-- What was last told of an inbox, and what its administrator has forgiven.
CREATE TABLE standings (
    inbox_id         text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    rating           text NOT NULL DEFAULT 'excellent',
    forgiven_on      date,
    forgiven_sent    integer NOT NULL DEFAULT 0,
    forgiven_bounced integer NOT NULL DEFAULT 0,
    forgiven_complained integer NOT NULL DEFAULT 0
);
COMMENT ON COLUMN standings.forgiven_on IS
    'only what came after these numbers of this day counts towards pausing';

-- When inboxes are paused; every worker writes the operator's settings here as it starts.
CREATE TABLE pausing (
    only_row           boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    window_days        integer NOT NULL DEFAULT 30,
    min_sample         integer NOT NULL DEFAULT 100,
    min_complaints     integer NOT NULL DEFAULT 3,
    bounce_percent     double precision NOT NULL DEFAULT 5.0,
    complaint_percent  double precision NOT NULL DEFAULT 0.3
);
INSERT INTO pausing DEFAULT VALUES;

CREATE FUNCTION percent(part bigint, whole bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN whole > 0 THEN least(100.0::double precision, 100.0::double precision * part / whole)
    ELSE 0 END;

CREATE FUNCTION deliverability_score(sent bigint, bounced bigint, complained bigint)
RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN round(greatest(0, 100 - 5 * percent(bounced, sent) - 20 * percent(complained, sent))::numeric,
    1)::double precision;

CREATE FUNCTION deliverability_rating(score double precision) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN score >= 90 THEN 'excellent' WHEN score >= 70 THEN 'good'
    WHEN score >= 50 THEN 'warning' ELSE 'critical' END;

-- What a refusal for ever says: that the address is dead ('permanent'), or that this message or
-- this sender was not wanted ('refused'; RFC 3463 section 3: mailbox full, policy, content).
CREATE FUNCTION bounce_kind(status text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN status IS NULL OR status ~ '^5\.(0\.0|1\.[0-9]+|2\.[01])$' THEN 'permanent'
    ELSE 'refused' END;

-- Whether the bounce that an event tells of put its recipients on the suppression list.
CREATE FUNCTION bounce_suppresses(data jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN data ->> 'bounce_type' = 'permanent' AND EXISTS (
    SELECT 1 FROM jsonb_array_elements(data -> 'bounced_recipients') AS r
    WHERE bounce_kind(r ->> 'status') = 'permanent');

-- The numbers of an inbox's window as they count towards pausing.
CREATE FUNCTION counted_numbers(of_inbox text)
RETURNS TABLE (sent bigint, bounced bigint, complained bigint)
LANGUAGE sql STABLE AS $$
    WITH forgiven AS (
        SELECT g.* FROM standings g, pausing p WHERE g.inbox_id = of_inbox
            AND g.forgiven_on > current_date - p.window_days
    )
    SELECT coalesce(sum(r.sent), 0) - coalesce((SELECT f.forgiven_sent FROM forgiven f), 0),
        coalesce(sum(r.bounced), 0) - coalesce((SELECT f.forgiven_bounced FROM forgiven f), 0),
        coalesce(sum(r.complained), 0) - coalesce((SELECT f.forgiven_complained FROM forgiven f), 0)
    FROM reputation r, pausing p
    WHERE r.inbox_id = of_inbox AND r.day > current_date - p.window_days
        AND r.day >= coalesce((SELECT f.forgiven_on FROM forgiven f), r.day);
$$;

-- Why an inbox with these numbers is to be paused; null when it is not.
CREATE FUNCTION reason_to_pause(sent bigint, bounced bigint, complained bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN $1 < p.min_sample THEN NULL
        WHEN percent($2, $1) > p.bounce_percent THEN 'bounce_rate'
        WHEN $3 >= p.min_complaints AND percent($3, $1) > p.complaint_percent THEN 'complaint_rate'
    END
    FROM pausing p;
$$;

-- What events say of an inbox's numbers.
CREATE FUNCTION told_numbers(sent bigint, bounced bigint, complained bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
    'bounce_rate', round((percent(bounced, sent) / 100)::numeric, 4),
    'complaint_rate', round((percent(complained, sent) / 100)::numeric, 4),
    'sample', sent, 'score', deliverability_score(sent, bounced, complained));

-- Locks the inboxes of messages that have come to a bad end, which may pause them.  Whoever writes
-- outcomes calls it before locking anything in them, as everything else locks an inbox first.
CREATE FUNCTION hold_senders(o_message text[], o_state text[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    IF o_state && '{bounced,complained}'::text[] THEN
        PERFORM 1 FROM inboxes i WHERE i.id IN (
            SELECT coalesce(
                (SELECT d.inbox_id FROM deliveries d WHERE d.message_id = o.message LIMIT 1),
                (SELECT k.inbox_id FROM outcomes k WHERE k.message_id = o.message LIMIT 1))
            FROM unnest(o_message, o_state) AS o (message, state)
            WHERE o.state IN ('bounced', 'complained'))
        ORDER BY i.id FOR UPDATE;
    END IF;
END
$$;

-- Pauses an inbox whose numbers ask for it, and tells when its rating has changed.  It is locked
-- only when there is something to write; one that somebody else is writing to is left to the next
-- outcome, for waiting here could be for ever.
CREATE FUNCTION judge_inbox(of_inbox text) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    v_inbox inboxes;
    v_all record;
    v_counted record;
    v_reason text;
    v_before text;
    v_rating text;
BEGIN
    SELECT coalesce(sum(r.sent), 0)::bigint AS sent, coalesce(sum(r.bounced), 0)::bigint AS bounced,
        coalesce(sum(r.complained), 0)::bigint AS complained
    INTO v_all FROM reputation r, pausing p
    WHERE r.inbox_id = of_inbox AND r.day > current_date - p.window_days;
    v_before := coalesce(
        (SELECT g.rating FROM standings g WHERE g.inbox_id = of_inbox), 'excellent');
    v_rating := CASE WHEN v_all.sent >= (SELECT p.min_sample FROM pausing p)
        THEN deliverability_rating(
            deliverability_score(v_all.sent, v_all.bounced, v_all.complained))
        ELSE v_before END;
    SELECT * INTO v_counted FROM counted_numbers(of_inbox);
    v_reason := reason_to_pause(v_counted.sent, v_counted.bounced, v_counted.complained);
    IF v_rating = v_before AND v_reason IS NULL THEN
        RETURN false;
    END IF;
    SELECT i.* INTO v_inbox FROM inboxes i WHERE i.id = of_inbox
        AND (v_rating <> v_before OR NOT i.send_paused) FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF v_rating <> v_before THEN
        INSERT INTO standings AS g (inbox_id, organization_id, rating)
        VALUES (of_inbox, v_inbox.organization_id, v_rating)
        ON CONFLICT (inbox_id) DO UPDATE SET rating = excluded.rating;
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
        VALUES (v_inbox.environment_id, new_id('evt'), v_inbox.organization_id, of_inbox,
            'inbox.deliverability_changed', jsonb_build_object('email', v_inbox.address,
                'rating', v_rating, 'previous_rating', v_before)
            || told_numbers(v_all.sent, v_all.bounced, v_all.complained));
    END IF;
    IF v_reason IS NULL OR v_inbox.send_paused THEN
        RETURN false;
    END IF;
    PERFORM pause_inbox(of_inbox, v_reason, 'system',
        'Stop writing to the addresses that refused or complained, then resume the inbox.');
    INSERT INTO audit (organization_id, environment_id, actor, action, resource, detail)
    VALUES (v_inbox.organization_id, v_inbox.environment_id, 'system', 'inbox.paused', of_inbox,
        jsonb_build_object('reason', v_reason));
    RETURN true;
END
$$;

-- Stops sending from an inbox, or gives the reason anew, and tells of it.
CREATE FUNCTION pause_inbox(of_inbox text, reason text, paused_by text, hint text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_numbers record;
BEGIN
    SELECT * INTO v_numbers FROM counted_numbers(of_inbox);
    WITH paused AS (
        UPDATE inboxes i SET send_paused = true, paused_reason = pause_inbox.reason,
            paused_at = CASE WHEN i.send_paused THEN i.paused_at ELSE now() END,
            paused_by = pause_inbox.paused_by, version = i.version + 1, updated_at = now()
        WHERE i.id = of_inbox
        RETURNING i.id, i.organization_id, i.environment_id, i.address
    )
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
    SELECT p.environment_id, new_id('evt'), p.organization_id, p.id, 'inbox.paused',
        jsonb_build_object('email', p.address, 'reason', pause_inbox.reason,
            'paused_by', pause_inbox.paused_by, 'resume_hint', hint)
        || told_numbers(v_numbers.sent, v_numbers.bounced, v_numbers.complained)
    FROM paused p;
END
$$;

-- Lets an inbox send again and tells of it.  When it was forced against its numbers, only what
-- comes from here on counts towards the next pause.
CREATE FUNCTION resume_inbox(of_inbox text, forced boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_numbers record;
BEGIN
    SELECT * INTO v_numbers FROM counted_numbers(of_inbox);
    IF forced THEN
        INSERT INTO standings AS g (inbox_id, organization_id, forgiven_on, forgiven_sent,
            forgiven_bounced, forgiven_complained)
        SELECT i.id, i.organization_id, current_date, coalesce(r.sent, 0), coalesce(r.bounced, 0),
            coalesce(r.complained, 0)
        FROM inboxes i
        LEFT JOIN reputation r ON r.inbox_id = i.id AND r.day = current_date
        WHERE i.id = of_inbox
        ON CONFLICT (inbox_id) DO UPDATE SET forgiven_on = excluded.forgiven_on,
            forgiven_sent = excluded.forgiven_sent, forgiven_bounced = excluded.forgiven_bounced,
            forgiven_complained = excluded.forgiven_complained;
    END IF;
    WITH resumed AS (
        UPDATE inboxes i SET send_paused = false, paused_reason = NULL, paused_at = NULL,
            paused_by = NULL, version = i.version + 1, updated_at = now()
        WHERE i.id = of_inbox
        RETURNING i.id, i.organization_id, i.environment_id, i.address
    )
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
    SELECT p.environment_id, new_id('evt'), p.organization_id, p.id, 'inbox.resumed',
        jsonb_build_object('email', p.address, 'forced', forced)
        || told_numbers(v_numbers.sent, v_numbers.bounced, v_numbers.complained)
    FROM resumed p;
END
$$;

-- What follows from outcomes of sending: suppressions, reputation, pauses, and their events.  Each
-- outcome counts once, however often it is told.  States other than sent, delivered, bounced and
-- complained have no effect; of bounces only the kinds 'permanent' (which also suppresses) and
-- 'refused' count.  Every outcome that counts says that the message was sent.  Tells the inboxes
-- that it paused.
CREATE FUNCTION after_outcomes(
    o_message text[], o_recipient text[], o_state text[], o_kind text[]
) RETURNS SETOF text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    v_judged text[];
    v_inbox text;
BEGIN
    WITH told AS MATERIALIZED (
        SELECT DISTINCT ON (o.message, a.address, o.state, o.kind) o.message, a.address, o.state,
            coalesce(o.kind, '') AS kind,
            substr(sha256(convert_to(a.address, 'UTF8')), 1, 16) AS recipient,
            i.id AS inbox, i.organization_id, i.environment_id
        FROM unnest(o_message, o_recipient, o_state, o_kind) AS o (message, recipient, state, kind)
        CROSS JOIN LATERAL (SELECT canonical_address(o.recipient) AS address) a
        CROSS JOIN LATERAL (SELECT coalesce(
            (SELECT d.inbox_id FROM deliveries d WHERE d.message_id = o.message LIMIT 1),
            (SELECT k.inbox_id FROM outcomes k WHERE k.message_id = o.message LIMIT 1)) AS inbox
        ) w
        JOIN inboxes i ON i.id = w.inbox
        WHERE o.state IN ('sent', 'delivered', 'complained')
            OR (o.state = 'bounced' AND o.kind IN ('permanent', 'refused'))
    ), fresh AS (
        INSERT INTO outcomes (message_id, recipient, state, inbox_id, organization_id)
        SELECT t.message, t.recipient, s.state, t.inbox, t.organization_id
        FROM told t CROSS JOIN LATERAL (
            SELECT 'sent' AS state
            UNION SELECT t.state WHERE t.state IN ('bounced', 'complained')
        ) s
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING
        RETURNING message_id, recipient, state, inbox_id, organization_id
    ), counted AS (
        INSERT INTO reputation AS r (inbox_id, day, organization_id, sent, bounced, complained)
        SELECT f.inbox_id, current_date, f.organization_id,
            count(*) FILTER (WHERE f.state = 'sent'),
            count(*) FILTER (WHERE f.state = 'bounced'),
            count(*) FILTER (WHERE f.state = 'complained')
        FROM fresh f GROUP BY 1, 3 ORDER BY 1
        ON CONFLICT (inbox_id, day) DO UPDATE SET sent = r.sent + excluded.sent,
            bounced = r.bounced + excluded.bounced, complained = r.complained + excluded.complained
    ), suppressed AS (
        INSERT INTO suppressions AS s (environment_id, address, id, organization_id, source,
            message_id)
        SELECT DISTINCT ON (t.environment_id, t.address) t.environment_id, t.address, new_id('sup'),
            t.organization_id, CASE t.state WHEN 'bounced' THEN 'bounce' ELSE 'complaint' END,
            t.message
        FROM told t JOIN fresh f ON f.message_id = t.message AND f.recipient = t.recipient
            AND f.state = t.state
        WHERE t.state = 'complained' OR t.kind = 'permanent'
        ORDER BY t.environment_id, t.address, t.state DESC
        ON CONFLICT (environment_id, address) DO UPDATE SET id = excluded.id,
            source = excluded.source, reason = NULL, message_id = excluded.message_id,
            expires_at = NULL, created_at = now()
        WHERE s.expires_at <= now()
        RETURNING s.*
    ), announced AS (
        INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
        SELECT s.environment_id, new_id('evt'), s.organization_id, t.inbox, 'suppression.added',
            jsonb_build_object('suppression_id', s.id, 'address', s.address, 'source', s.source,
                'reason', s.reason, 'message_id', s.message_id, 'expires_at', NULL)
        FROM suppressed s
        CROSS JOIN LATERAL (
            SELECT x.inbox FROM told x WHERE x.message = s.message_id LIMIT 1) t
    )
    SELECT array_agg(DISTINCT f.inbox_id::text) INTO v_judged FROM fresh f
    WHERE f.state <> 'sent' OR EXISTS (SELECT 1 FROM reputation r, pausing p
        WHERE r.inbox_id = f.inbox_id AND r.day > current_date - p.window_days
            AND r.bounced + r.complained > 0);

    FOR v_inbox IN SELECT j FROM unnest(v_judged) AS j ORDER BY 1 LOOP
        IF judge_inbox(v_inbox) THEN
            RETURN NEXT v_inbox;
        END IF;
    END LOOP;
END
$$;

-- The recipients of new messages that were refused before anything was sent: what their delivery
-- says, and one message.rejected for each message and reason.
CREATE FUNCTION tell_rejected(of_messages text[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    WITH rejected AS (
        UPDATE deliveries d SET status = '5.7.1', diagnostic = d.options ->> 'reason',
            history = jsonb_build_array(jsonb_build_object('at', now(), 'state', d.state,
                'status', '5.7.1', 'diagnostic', d.options ->> 'reason'))
        WHERE d.message_id = ANY (of_messages) AND d.state = 'rejected'
        RETURNING d.message_id, d.recipient, d.options
    )
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, modseq, data)
    SELECT m.environment_id, new_id('evt'), m.organization_id, m.inbox_id, 'message.rejected',
        m.created_modseq, jsonb_build_object('message_id', m.id, 'thread_id', m.thread_id,
            'reason_code', r.options ->> 'reason_code', 'reason', min(r.options ->> 'reason'),
            'recipients', jsonb_agg(r.recipient ORDER BY r.recipient))
    FROM rejected r JOIN messages m ON m.id = r.message_id
    GROUP BY m.id, r.options ->> 'reason_code';
END
$$;

-- Tells an environment of the day's quota of its organization.
CREATE FUNCTION tell_quota(
    of_organization text, to_environment text, of_type text, used bigint, bound bigint
) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO events (environment_id, id, organization_id, type, data)
    VALUES (to_environment, new_id('evt'), of_organization, of_type, jsonb_build_object(
        'quota', 'mails_per_day', 'used', used, 'limit', bound, 'day', current_date));
$$;

ALTER TABLE usage ADD COLUMN told_exceeded boolean NOT NULL DEFAULT false;

-- Tells that the quota of this day is used up, once a day.
CREATE FUNCTION quota_exceeded(of_organization text, to_environment text, bound bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_mails bigint;
BEGIN
    INSERT INTO usage AS u (organization_id, day, told_exceeded)
    VALUES (of_organization, current_date, true)
    ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE SET told_exceeded = true
    WHERE NOT u.told_exceeded
    RETURNING u.mails INTO v_mails;
    IF FOUND THEN
        PERFORM tell_quota(of_organization, to_environment, 'quota.exceeded', v_mails, bound);
    END IF;
END
$$;

SELECT wall_off('filter_rules', 'suppressions', 'outcomes', 'reputation', 'standings');
