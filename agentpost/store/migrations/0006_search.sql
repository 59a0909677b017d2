-- What SEARCH looks at.  All texts are folded (no case, one normal form) and kept as octets:
-- comparing octets is exact in UTF-8 and several times faster than comparing characters.
--
-- Packs.  Looking at one text costs microseconds, so an inbox's latest texts are looked at one by
-- one.  Every few hundred of them become a pack, which tells by a few short reads which of its
-- messages may hold a string (agentpost/mime/packs.py).  A pack is written once, from texts that lie
-- together: an index of terms (GIN on trigrams and words) cost PostgreSQL 2 ms a message, this 0.1.
-- Packs are found by inbox, by an operator that leaks nothing, so row level security does not stand
-- in the way of an index, as it does with those of trigrams and arrays.

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
    pack             bigint,
    text_octets      integer NOT NULL,
    sent_day         date,
    from_text        bytea NOT NULL,
    to_text          bytea NOT NULL,
    cc_text          bytea NOT NULL,
    bcc_text         bytea NOT NULL,
    subject_text     bytea NOT NULL
);
COMMENT ON COLUMN message_fields.pack IS 'null: in none yet, the text is looked at';
COMMENT ON COLUMN message_fields.text_octets IS 'of the whole text, in message_texts';
COMMENT ON COLUMN message_fields.sent_day IS 'day of the Date field in its own zone';
CREATE INDEX message_fields_by_pack ON message_fields (inbox_id, pack);

CREATE TABLE message_packs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    inbox_id         text COLLATE "C" NOT NULL,
    messages         text[] COLLATE "C" NOT NULL,
    oldest           text COLLATE "C" NOT NULL,
    newest           text COLLATE "C" NOT NULL,
    width            smallint NOT NULL,
    buckets          integer NOT NULL,
    slices           bytea NOT NULL,
    words            bigint[] NOT NULL,
    in_header        bytea NOT NULL,
    in_body          bytea NOT NULL
) WITH (toast_tuple_target = 128);
COMMENT ON COLUMN message_packs.messages IS 'message n has bit n of every row of bits; null: gone';
COMMENT ON COLUMN message_packs.oldest IS 'no message of the pack is older; nor newer than newest';
COMMENT ON COLUMN message_packs.width IS 'octets of a row of bits';
COMMENT ON COLUMN message_packs.slices IS 'for each bucket a row: who has a trigram of that hash';
COMMENT ON COLUMN message_packs.words IS 'hashes of frequent words';
COMMENT ON COLUMN message_packs.in_header IS 'for each word a row: who has it in the header lines';
COMMENT ON COLUMN message_packs.in_body IS 'the same for the body';
-- Out of the row and as it is, so that a few octets of it can be read alone.
ALTER TABLE message_packs ALTER COLUMN messages SET STORAGE EXTERNAL;
ALTER TABLE message_packs ALTER COLUMN slices SET STORAGE EXTERNAL;
ALTER TABLE message_packs ALTER COLUMN words SET STORAGE EXTERNAL;
ALTER TABLE message_packs ALTER COLUMN in_header SET STORAGE EXTERNAL;
ALTER TABLE message_packs ALTER COLUMN in_body SET STORAGE EXTERNAL;
CREATE INDEX message_packs_by_inbox ON message_packs (inbox_id);

SELECT wall_off('message_texts', 'message_fields', 'message_packs');

-- Whoever deletes a text deletes what was made of it.  A pack that has lost most of its messages is
-- dissolved; what is left of it waits for the next one.
CREATE FUNCTION forget_index() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_packs bigint[];
BEGIN
    WITH forgotten AS (
        DELETE FROM message_fields f USING gone WHERE f.message_id = gone.message_id
        RETURNING f.pack
    )
    SELECT array_agg(DISTINCT f.pack) INTO v_packs FROM forgotten f;
    SELECT array_agg(k.id) INTO v_packs FROM message_packs k
    WHERE k.id = ANY (v_packs) AND cardinality(k.messages) > 4 * (
        SELECT count(*) FROM message_fields f WHERE f.inbox_id = k.inbox_id AND f.pack = k.id);
    IF v_packs IS NOT NULL THEN
        UPDATE message_fields f SET pack = NULL FROM message_packs k
        WHERE k.id = ANY (v_packs) AND f.inbox_id = k.inbox_id AND f.pack = k.id;
        DELETE FROM message_packs k WHERE k.id = ANY (v_packs);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_index AFTER DELETE ON message_texts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_index();

-- Writes what was read in messages that still are there; those that have gone meanwhile, or that
-- another worker has written, are passed over.
CREATE FUNCTION index_messages(
    m_id text[], m_whole boolean[], m_headers bytea[], m_parts bytea[], m_body bytea[],
    m_sent_day date[], m_from bytea[], m_to bytea[], m_cc bytea[], m_bcc bytea[],
    m_subject bytea[]
) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_count bigint;
BEGIN
    -- What a crash takes back is done again: no mail waits for this on the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH taken AS (
        DELETE FROM unindexed u USING messages m
        WHERE m.id = ANY (m_id) AND u.inbox_id = m.inbox_id AND u.message_id = m.id
        RETURNING m.id, m.organization_id, m.inbox_id
    ), listed AS (
        SELECT array_position(m_id, k.id::text) AS ord, k.id, k.organization_id, k.inbox_id
        FROM taken k
    ), texts AS (
        INSERT INTO message_texts (message_id, organization_id, inbox_id, whole, headers, parts,
            body)
        SELECT l.id, l.organization_id, l.inbox_id, m_whole[l.ord], m_headers[l.ord],
            m_parts[l.ord], m_body[l.ord]
        FROM listed l
    ), fields AS (
        INSERT INTO message_fields (message_id, organization_id, inbox_id, text_octets, sent_day,
            from_text, to_text, cc_text, bcc_text, subject_text)
        SELECT l.id, l.organization_id, l.inbox_id,
            length(m_headers[l.ord]) + length(m_parts[l.ord]) + length(m_body[l.ord]),
            m_sent_day[l.ord], m_from[l.ord], m_to[l.ord], m_cc[l.ord], m_bcc[l.ord],
            m_subject[l.ord]
        FROM listed l
    )
    SELECT count(*) INTO v_count FROM listed;
    RETURN v_count;
END
$$;

-- Keeps a pack of messages that were in none.  Messages that somebody else is at, who deletes them
-- or packs them as well, are left out rather than waited for: who deletes never waits in a ring.
CREATE FUNCTION pack_messages(
    ids text[], of_width smallint, of_buckets integer, of_slices bytea, of_words bigint[],
    of_header bytea, of_body bytea
) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    v_taken text[];
    v_organization text;
    v_inbox text;
    v_pack bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT array_agg(f.message_id), min(f.organization_id), min(f.inbox_id)
    INTO v_taken, v_organization, v_inbox
    FROM (
        SELECT c.message_id, c.organization_id, c.inbox_id FROM message_fields c
        WHERE c.message_id = ANY (ids) AND c.pack IS NULL FOR UPDATE SKIP LOCKED
    ) f;
    IF v_taken IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO message_packs (organization_id, inbox_id, messages, oldest, newest, width, buckets,
        slices, words, in_header, in_body)
    VALUES (v_organization, v_inbox,
        ARRAY(SELECT CASE WHEN i.id = ANY (v_taken) THEN i.id END
            FROM unnest(ids) WITH ORDINALITY AS i (id, n) ORDER BY i.n),
        (SELECT min(i.id COLLATE "C") FROM unnest(v_taken) AS i (id)),
        (SELECT max(i.id COLLATE "C") FROM unnest(v_taken) AS i (id)), of_width, of_buckets, of_slices, of_words, of_header, of_body)
    RETURNING id INTO v_pack;
    UPDATE message_fields f SET pack = v_pack WHERE f.message_id = ANY (v_taken);
    RETURN cardinality(v_taken);
END
$$;

-- Where the messages are in a mailbox: uids as packed four-octet numbers, so that a hundred thousand
-- cross in one value.
--
-- How many ids there are decides the way, which the planner cannot know; so each way is a function
-- that leaves it no other, and none of them may think of reading whole tables.
CREATE FUNCTION place_few(of_inbox text, in_mailbox bigint, ids text[]) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    RETURN (
        SELECT string_agg(int4send(p.uid::integer), NULL)
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
        SELECT string_agg(int4send(p.uid::integer), NULL)
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
    ELSIF cardinality(ids) <= 1500 THEN
        RETURN place_few(of_inbox, in_mailbox, ids);
    ELSE
        RETURN place_many(of_inbox, in_mailbox, ids);
    END IF;
END
$$;

-- A row of bits.
CREATE FUNCTION bits(octets bytea, row_number integer, width integer) RETURNS bit varying
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || encode(substring(octets FROM row_number * width + 1 FOR width), 'hex'))::bit varying
$$;

-- The messages of an inbox that hold a string for sure, because it is a word that they hold, and the
-- rest of those that may hold it, which must be looked at.  Without trigrams every message may.
CREATE FUNCTION search_candidates(
    of_inbox text, grams integer[], word bigint, with_headers boolean,
    OUT sure text[], OUT rest text[]
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    -- Materialized: or else the bits are worked out again for each message.
    WITH asked AS MATERIALIZED (
        SELECT k.messages,
            (SELECT bit_and(bits(k.slices, g & (k.buckets - 1), k.width)) FROM unnest(grams) AS g)
                AS maybe,
            CASE WHEN with_headers
                THEN bits(k.in_body, w.at - 1, k.width) | bits(k.in_header, w.at - 1, k.width)
                ELSE bits(k.in_body, w.at - 1, k.width) END AS known
        FROM message_packs k CROSS JOIN LATERAL (SELECT array_position(k.words, word)) AS w (at)
        WHERE k.inbox_id = of_inbox
    )
    SELECT array_agg(m.id) FILTER (WHERE m.sure), array_agg(m.id) FILTER (WHERE NOT m.sure)
    INTO sure, rest
    FROM asked a CROSS JOIN LATERAL (
        SELECT o.id, coalesce(get_bit(a.known, o.n::integer - 1), 0) = 1 AS sure
        FROM unnest(a.messages) WITH ORDINALITY AS o (id, n)
        WHERE o.id IS NOT NULL AND coalesce(get_bit(a.maybe, o.n::integer - 1), 1) = 1
    ) m
    WHERE a.maybe IS NULL OR position(B'1' IN a.maybe) > 0;
    rest := coalesce(rest, '{}') || ARRAY(
        SELECT f.message_id::text FROM message_fields f
        WHERE f.inbox_id = of_inbox AND f.pack IS NULL);
END
$$;

CREATE FUNCTION search_text(
    of_inbox text, in_mailbox bigint, needle bytea, grams integer[], word bigint,
    with_headers boolean
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_sure text[];
    v_rest text[];
BEGIN
    SELECT c.sure, c.rest INTO v_sure, v_rest
    FROM search_candidates(of_inbox, grams, word, with_headers) c;
    SELECT array_agg(r.id) INTO v_rest FROM unnest(v_rest) AS r (id)
    WHERE (SELECT position(needle IN t.body) > 0
            OR with_headers AND (position(needle IN t.headers) > 0
                OR position(needle IN t.parts) > 0)
        FROM message_texts t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, coalesce(v_sure, '{}') || coalesce(v_rest, '{}'));
END
$$;

CREATE FUNCTION search_header(
    of_inbox text, in_mailbox bigint, name bytea, needle bytea, line text, grams integer[]
) RETURNS bytea
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    v_ids text[];
BEGIN
    SELECT c.rest INTO v_ids FROM search_candidates(of_inbox, grams, NULL, true) c;
    -- The line is looked at only where the cheap conditions hold.
    SELECT array_agg(r.id) INTO v_ids FROM unnest(v_ids) AS r (id)
    WHERE (SELECT CASE WHEN position(name IN t.headers) > 0 AND position(needle IN t.headers) > 0
            THEN line IS NULL OR convert_from(t.headers, 'UTF8') COLLATE "C" ~ line
            ELSE false END
        FROM message_texts t WHERE t.message_id = r.id);
    RETURN place(of_inbox, in_mailbox, v_ids);
END
$$;
