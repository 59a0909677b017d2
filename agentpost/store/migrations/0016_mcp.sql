-- Sessions of the Model Context Protocol.  They are here and not in a worker's memory, because the
-- next request of a session may reach another worker, or another machine.
CREATE TABLE mcp_sessions (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL REFERENCES organizations ON DELETE CASCADE,
    credential       text COLLATE "C" NOT NULL,
    protocol         text NOT NULL,
    watched          jsonb NOT NULL DEFAULT '{}',
    stream           integer NOT NULL DEFAULT 0,
    canceled         jsonb NOT NULL DEFAULT '{}',
    seen_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN mcp_sessions.credential IS 'the key that began it; no other one may use it';
COMMENT ON COLUMN mcp_sessions.watched IS 'URI of a resource: the version that the client knows';
COMMENT ON COLUMN mcp_sessions.stream IS 'number of the stream that is open last';
COMMENT ON COLUMN mcp_sessions.canceled IS
    'id of a request that its client no longer wants, as JSON: when it said so, in seconds';
CREATE INDEX mcp_sessions_by_credential ON mcp_sessions (organization_id, credential, seen_at);

SELECT wall_off('mcp_sessions');
