-- Files that wait to be attached to messages.  Their octets are where large messages are, under the
-- id; whether they have come yet is asked there, because they may be put without passing here.
CREATE TABLE uploads (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL REFERENCES environments ON DELETE CASCADE,
    filename         text,
    mime_type        text NOT NULL,
    size             bigint NOT NULL,
    sha256           bytea,
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    expires_at       timestamptz NOT NULL
);
COMMENT ON COLUMN uploads.size IS 'octets, as announced; a file of another size is not attached';
COMMENT ON COLUMN uploads.sha256 IS 'as announced, or of what was received';
CREATE INDEX uploads_by_environment ON uploads (environment_id, expires_at);
CREATE INDEX uploads_by_end ON uploads (expires_at);

SELECT wall_off('uploads');
