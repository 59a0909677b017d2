-- The event log is kept for a time; up to which seq it may have gaps is remembered.
ALTER TABLE organizations ADD COLUMN forgotten_seq bigint NOT NULL DEFAULT 0;

-- Where in the log of an organization to begin for what happened after a moment: a seq below which
-- everything is older.  seq and created_at grow together, but for the time from the beginning of a
-- transaction to its first write, which no operation of ours draws out over a minute; so halving
-- the distance finds it without an index on created_at, which every event would have to write.
CREATE FUNCTION seq_before(of_organization text, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_low bigint := 0;
    v_high bigint := settled_seq();
    v_middle bigint;
    v_seq bigint;
    v_at timestamptz;
BEGIN
    WHILE v_high - v_low > 1 LOOP
        v_middle := v_low + (v_high - v_low) / 2;
        SELECT e.seq, e.created_at INTO v_seq, v_at FROM events e
        WHERE e.organization_id = of_organization AND e.seq >= v_middle AND e.seq < v_high
        ORDER BY e.seq LIMIT 1;
        IF NOT FOUND OR v_at >= moment - interval '1 minute' THEN
            v_high := v_middle;
        ELSE
            v_low := v_seq;
        END IF;
    END LOOP;
    RETURN v_low;
END
$$;
