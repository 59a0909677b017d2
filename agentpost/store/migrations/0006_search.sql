-- What SEARCH looks at.  All texts are folded (no case, one normal form) and kept as octets:
-- comparing octets is exact in UTF-8 and several times faster than comparing characters.
--
-- Row level security and the index.  A policy is checked before any condition that could leak
-- what it sees, and neither LIKE nor the operators of trigram and array indexes are leakproof; so
-- on a table with a policy no such index is ever used (EXPLAIN as the server's own role shows it).
-- Trigrams and words are therefore kept apart, in a table without a policy that holds no text: only
-- hashes, salted with the inbox.  It proposes candidates; each is then looked at in its text, or at
-- least in its placement, which have their policies as everything else has.  The salt also keeps the
-- index's lists short: an inbox never reads through the mail of others.

DROP TABLE message_texts; -- nothing was ever written to it

CREATE TABLE message_texts (
    message_id       text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    whole            boolean NOT NULL DEFAULT true,
    headers          bytea NOT NULL,
    parts            bytea NOT NULL,
    body             bytea NOT NULL
) WITH (toast_tuple_target = 8160);
COMMENT ON COLUMN message_texts.whole IS 'false: the text was cut, the octets hold more';
COMMENT ON COLUMN message_texts.headers IS
    'the message header, decoded: a line end, then "name: value" and a line end for each field';
COMMENT ON COLUMN message_texts.parts IS 'the same for the headers of the parts below';
-- Up to a page a text stays in its row, as it is: most mail is read without a detour.
ALTER TABLE message_texts ALTER COLUMN headers SET STORAGE MAIN;
ALTER TABLE message_texts ALTER COLUMN parts SET STORAGE MAIN;
ALTER TABLE message_texts ALTER COLUMN body SET STORAGE MAIN;
CREATE INDEX message_texts_by_inbox ON message_texts (inbox_id);
CREATE INDEX message_texts_cut ON message_texts (inbox_id) WHERE NOT whole;

-- The fields that are searched most, in short rows: ten thousand are read in milliseconds.
CREATE TABLE message_fields (
    message_id       text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    sent_day         date,
    from_text        bytea NOT NULL,
    to_text          bytea NOT NULL,
    cc_text          bytea NOT NULL,
    bcc_text         bytea NOT NULL,
    subject_text     bytea NOT NULL
);
COMMENT ON COLUMN message_fields.sent_day IS 'day of the Date field in its own zone';
CREATE INDEX message_fields_by_inbox ON message_fields (inbox_id);

CREATE TABLE message_grams (
    message_id       text COLLATE "C" PRIMARY KEY,
    header_grams     integer[] NOT NULL,
    body_grams       integer[] NOT NULL,
    header_words     bigint[] NOT NULL,
    body_words       bigint[] NOT NULL
) WITH (toast_tuple_target = 128);
-- The arrays are for the indexes alone and never read back: out of the rows with them.
ALTER TABLE message_grams ALTER COLUMN header_grams SET STORAGE EXTERNAL;
ALTER TABLE message_grams ALTER COLUMN body_grams SET STORAGE EXTERNAL;
ALTER TABLE message_grams ALTER COLUMN header_words SET STORAGE EXTERNAL;
ALTER TABLE message_grams ALTER COLUMN body_words SET STORAGE EXTERNAL;
CREATE INDEX message_grams_header ON message_grams USING gin (header_grams)
    WITH (gin_pending_list_limit = 4096);
CREATE INDEX message_grams_body ON message_grams USING gin (body_grams)
    WITH (gin_pending_list_limit = 4096);
CREATE INDEX message_words_header ON message_grams USING gin (header_words)
    WITH (gin_pending_list_limit = 4096);
CREATE INDEX message_words_body ON message_grams USING gin (body_words)
    WITH (gin_pending_list_limit = 4096);

-- The policy of all tenants' tables.
DO $$
DECLARE
    tenant_table text;
    seen text := (SELECT p.qual FROM pg_policies p
        WHERE p.schemaname = current_schema() AND p.tablename = 'messages'
            AND p.policyname = 'tenant');
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['message_texts', 'message_fields'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s)', tenant_table, seen);
    END LOOP;
END
$$;

-- Whoever deletes a text deletes what was made of it.
CREATE FUNCTION forget_index() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM message_fields f USING gone WHERE f.message_id = gone.message_id;
    DELETE FROM message_grams g USING gone WHERE g.message_id = gone.message_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_index AFTER DELETE ON message_texts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_index();

DROP INDEX messages_unindexed;
CREATE INDEX messages_unindexed ON messages (inbox_id, id) WHERE NOT indexed;

-- Writes what was made of messages that still are there; those that have gone meanwhile, or that
-- another worker has written, are passed over.
CREATE FUNCTION index_messages(
    m_id text[], m_whole boolean[], m_headers bytea[], m_parts bytea[], m_body bytea[],
    m_sent_day date[], m_from bytea[], m_to bytea[], m_cc bytea[], m_bcc bytea[],
    m_subject bytea[],
    -- array literals
    h_grams text[], b_grams text[], h_words text[], b_words text[]
) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_open integer[];
BEGIN
    WITH marked AS (
        UPDATE messages m SET indexed = true
        WHERE m.id = ANY (m_id) AND NOT m.indexed
        RETURNING m.id, m.organization_id, m.inbox_id
    ), listed AS (
        SELECT o.ord::integer AS ord, k.id, k.organization_id, k.inbox_id
        FROM unnest(m_id) WITH ORDINALITY AS o (id, ord) JOIN marked k ON k.id = o.id
    ), texts AS (
        INSERT INTO message_texts (message_id, organization_id, inbox_id, whole, headers, parts,
            body)
        SELECT l.id, l.organization_id, l.inbox_id, m_whole[l.ord], m_headers[l.ord],
            m_parts[l.ord], m_body[l.ord]
        FROM listed l
    ), fields AS (
        INSERT INTO message_fields (message_id, organization_id, inbox_id, sent_day, from_text,
            to_text, cc_text, bcc_text, subject_text)
        SELECT l.id, l.organization_id, l.inbox_id, m_sent_day[l.ord], m_from[l.ord],
            m_to[l.ord], m_cc[l.ord], m_bcc[l.ord], m_subject[l.ord]
        FROM listed l
    )
    SELECT array_agg(l.ord) INTO v_open FROM listed l;
    INSERT INTO message_grams (message_id, header_grams, body_grams, header_words, body_words)
    SELECT m_id[o], h_grams[o]::integer[], b_grams[o]::integer[], h_words[o]::bigint[],
        b_words[o]::bigint[]
    FROM unnest(v_open) AS o;
    RETURN coalesce(cardinality(v_open), 0);
END
$$;

-- Where the messages are in a mailbox: uids as packed four-octet numbers, in order, so that a
-- hundred thousand cross in one value.
--
-- How many ids there are decides the way, which the planner cannot know; so each way is a function
-- that leaves it no other, and none of them may think of reading whole tables.
CREATE FUNCTION place_few(of_inbox text, in_mailbox bigint, ids text[]) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
        FROM unnest(ids) AS i (id) JOIN placements p ON p.message_id = i.id
        WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox
    );
END
$$;

CREATE FUNCTION place_many(of_inbox text, in_mailbox bigint, ids text[]) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
        FROM placements p JOIN unnest(ids) AS i (id) ON i.id = p.message_id
        WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox
    );
END
$$;

CREATE FUNCTION place(of_inbox text, in_mailbox bigint, ids text[]) RETURNS bytea
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(cardinality(ids), 0) = 0 THEN
        RETURN NULL;
    ELSIF cardinality(ids) <= 500 THEN
        RETURN place_few(of_inbox, in_mailbox, ids);
    ELSE
        RETURN place_many(of_inbox, in_mailbox, ids);
    END IF;
END
$$;

-- A text that has what is asked for as a whole word needs no look; other candidates do.
CREATE FUNCTION search_text(
    of_inbox text, in_mailbox bigint, needle bytea,
    h_grams integer[], b_grams integer[], h_many integer[], b_many integer[],
    h_word bigint[], b_word bigint[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_sure text[];
    v_rest text[];
BEGIN
    IF b_word IS NOT NULL THEN
        SELECT array_agg(g.message_id) INTO v_sure FROM message_grams g
        WHERE g.body_words @> b_word OR g.header_words @> h_word;
    END IF;
    SELECT array_agg(g.message_id) INTO v_rest FROM message_grams g
    WHERE (g.body_grams @> b_grams OR g.body_grams @> b_many
            OR g.header_grams @> h_grams OR g.header_grams @> h_many)
        AND NOT EXISTS (SELECT 1 FROM unnest(v_sure) AS s (id) WHERE s.id = g.message_id);
    SELECT array_agg(r.id) INTO v_rest FROM unnest(v_rest) AS r (id)
    WHERE (SELECT position(needle IN t.body) > 0 OR position(needle IN t.headers) > 0
            OR position(needle IN t.parts) > 0
        FROM message_texts t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, coalesce(v_sure, '{}') || coalesce(v_rest, '{}'));
END
$$;

CREATE FUNCTION search_body(
    of_inbox text, in_mailbox bigint, needle bytea, b_grams integer[], b_many integer[],
    b_word bigint[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_sure text[];
    v_rest text[];
BEGIN
    IF b_word IS NOT NULL THEN
        SELECT array_agg(g.message_id) INTO v_sure FROM message_grams g
        WHERE g.body_words @> b_word;
    END IF;
    SELECT array_agg(g.message_id) INTO v_rest FROM message_grams g
    WHERE (g.body_grams @> b_grams OR g.body_grams @> b_many)
        AND NOT EXISTS (SELECT 1 FROM unnest(v_sure) AS s (id) WHERE s.id = g.message_id);
    SELECT array_agg(r.id) INTO v_rest FROM unnest(v_rest) AS r (id)
    WHERE (SELECT position(needle IN t.body) > 0
        FROM message_texts t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, coalesce(v_sure, '{}') || coalesce(v_rest, '{}'));
END
$$;

CREATE FUNCTION search_header(
    of_inbox text, in_mailbox bigint, name bytea, needle bytea, line text,
    h_grams integer[], h_many integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_ids text[];
BEGIN
    SELECT array_agg(g.message_id) INTO v_ids FROM message_grams g
    WHERE g.header_grams @> h_grams OR g.header_grams @> h_many;
    -- The line is looked at only where the cheap conditions hold.
    SELECT array_agg(r.id) INTO v_ids FROM unnest(v_ids) AS r (id)
    WHERE (SELECT CASE WHEN position(name IN t.headers) > 0 AND position(needle IN t.headers) > 0
            THEN line IS NULL OR convert_from(t.headers, 'UTF8') COLLATE "C" ~ line
            ELSE false END
        FROM message_texts t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, v_ids);
END
$$;

-- One of the fields kept apart.  When the trigrams leave few candidates those are looked at, and
-- otherwise the rows of the inbox are read through.
CREATE FUNCTION search_field(
    of_inbox text, in_mailbox bigint, field text, needle bytea,
    h_grams integer[], h_many integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_nestloop = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_ids text[];
BEGIN
    IF cardinality(h_grams) > 0 THEN
        SELECT array_agg(g.message_id) INTO v_ids FROM (
            SELECT c.message_id FROM message_grams c
            WHERE c.header_grams @> h_grams OR c.header_grams @> h_many LIMIT 2001
        ) g;
    END IF;
    IF cardinality(h_grams) = 0 OR cardinality(v_ids) > 2000 THEN
        RETURN (
            SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
            FROM placements p JOIN message_fields t ON t.message_id = p.message_id
            WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox AND t.inbox_id = of_inbox
                AND position(needle IN CASE field WHEN 'from' THEN t.from_text
                    WHEN 'to' THEN t.to_text WHEN 'cc' THEN t.cc_text WHEN 'bcc' THEN t.bcc_text
                    ELSE t.subject_text END) > 0
        );
    END IF;
    SELECT array_agg(r.id) INTO v_ids FROM unnest(v_ids) AS r (id)
    WHERE (SELECT position(needle IN CASE field WHEN 'from' THEN t.from_text
            WHEN 'to' THEN t.to_text WHEN 'cc' THEN t.cc_text WHEN 'bcc' THEN t.bcc_text
            ELSE t.subject_text END) > 0
        FROM message_fields t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, v_ids);
END
$$;
