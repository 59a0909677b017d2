-- What SEARCH looks at.  All texts are folded (no case, one normal form) and kept as octets:
-- comparing octets is exact in UTF-8 and several times faster than comparing characters.
--
-- Row level security and the index.  A policy is checked before any condition that could leak
-- what it sees, and neither LIKE nor the operators of trigram and array indexes are leakproof; so
-- on a table with a policy no such index is ever used (EXPLAIN as the server's own role shows it).
-- The trigrams are therefore kept apart, in a table without a policy that holds no text: only
-- hashes, salted with the inbox.  It proposes candidates; each is then looked at in its placement
-- and its text, which have their policies as everything else has.  The salt also keeps the
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
    body_grams       integer[] NOT NULL
) WITH (toast_tuple_target = 128);
ALTER TABLE message_grams ALTER COLUMN header_grams SET STORAGE EXTERNAL;
ALTER TABLE message_grams ALTER COLUMN body_grams SET STORAGE EXTERNAL;
CREATE INDEX message_grams_header ON message_grams USING gin (header_grams)
    WITH (gin_pending_list_limit = 1024);
CREATE INDEX message_grams_body ON message_grams USING gin (body_grams)
    WITH (gin_pending_list_limit = 1024);

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
    -- *_message counts from 1
    h_message integer[], h_gram integer[], b_message integer[], b_gram integer[]
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
    INSERT INTO message_grams (message_id, header_grams, body_grams)
    SELECT m_id[g.ord], coalesce(h.grams, '{}'), coalesce(b.grams, '{}')
    FROM unnest(v_open) AS g (ord)
    LEFT JOIN (
        SELECT u.message, array_agg(u.gram) AS grams
        FROM unnest(h_message, h_gram) AS u (message, gram) GROUP BY 1
    ) h ON h.message = g.ord
    LEFT JOIN (
        SELECT u.message, array_agg(u.gram) AS grams
        FROM unnest(b_message, b_gram) AS u (message, gram) GROUP BY 1
    ) b ON b.message = g.ord;
    RETURN coalesce(cardinality(v_open), 0);
END
$$;

-- Uids as packed four-octet numbers, in order; hundred thousand cross in one value.
--
-- The candidates of an inbox are few among all rows, which the planner cannot know: it must not
-- think of reading whole tables, so these functions leave it only the way over the indexes.

CREATE FUNCTION search_text(
    of_inbox text, in_mailbox bigint, needle bytea,
    h_grams integer[], b_grams integer[], h_many integer[], b_many integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        WITH candidates AS MATERIALIZED (
            SELECT g.message_id FROM message_grams g
            WHERE g.body_grams @> b_grams OR g.body_grams @> b_many
                OR g.header_grams @> h_grams OR g.header_grams @> h_many
        ), placed AS MATERIALIZED (
            SELECT p.uid, p.message_id
            FROM candidates c JOIN placements p ON p.message_id = c.message_id
            WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox
        )
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
        FROM placed p JOIN message_texts t ON t.message_id = p.message_id
        WHERE position(needle IN t.body) > 0 OR position(needle IN t.headers) > 0
            OR position(needle IN t.parts) > 0
    );
END
$$;

CREATE FUNCTION search_body(
    of_inbox text, in_mailbox bigint, needle bytea, b_grams integer[], b_many integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        WITH candidates AS MATERIALIZED (
            SELECT g.message_id FROM message_grams g
            WHERE g.body_grams @> b_grams OR g.body_grams @> b_many
        ), placed AS MATERIALIZED (
            SELECT p.uid, p.message_id
            FROM candidates c JOIN placements p ON p.message_id = c.message_id
            WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox
        )
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
        FROM placed p JOIN message_texts t ON t.message_id = p.message_id
        WHERE position(needle IN t.body) > 0
    );
END
$$;

CREATE FUNCTION search_header(
    of_inbox text, in_mailbox bigint, name bytea, needle bytea, line text,
    h_grams integer[], h_many integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        WITH candidates AS MATERIALIZED (
            SELECT g.message_id FROM message_grams g
            WHERE g.header_grams @> h_grams OR g.header_grams @> h_many
        ), placed AS MATERIALIZED (
            SELECT p.uid, p.message_id
            FROM candidates c JOIN placements p ON p.message_id = c.message_id
            WHERE p.mailbox_id = in_mailbox AND p.inbox_id = of_inbox
        )
        SELECT string_agg(int4send(p.uid::integer), NULL ORDER BY p.uid)
        FROM placed p JOIN message_texts t ON t.message_id = p.message_id
        -- The line is looked at only where the cheap conditions hold.
        WHERE CASE WHEN position(name IN t.headers) > 0 AND position(needle IN t.headers) > 0
            THEN line IS NULL OR convert_from(t.headers, 'UTF8') COLLATE "C" ~ line
            ELSE false END
    );
END
$$;
