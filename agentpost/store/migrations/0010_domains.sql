-- Custom domains, the keys that sign for them, and the inboxes that live at them.

-- A domain of an environment.  Several organizations may claim the same name; one at most holds it.
CREATE TABLE domains (
    id               text COLLATE "C" PRIMARY KEY,
    organization_id  text COLLATE "C" NOT NULL,
    environment_id   text COLLATE "C" NOT NULL REFERENCES environments ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    client_id        text,
    inbound          boolean NOT NULL,
    subdomains       boolean NOT NULL,
    catch_all_inbox_id text COLLATE "C" REFERENCES inboxes ON DELETE SET NULL,
    challenge        text NOT NULL,
    relay_key_hosts  text[] NOT NULL DEFAULT '{}',
    status           text NOT NULL DEFAULT 'pending',
    reason           text,
    findings         jsonb NOT NULL DEFAULT '{}',
    held_since       timestamptz,
    receives         boolean NOT NULL DEFAULT false,
    checks           bigint NOT NULL DEFAULT 0,
    misses           smallint NOT NULL DEFAULT 0,
    missed_at        timestamptz,
    sought_since     timestamptz NOT NULL DEFAULT now(),
    asked_at         timestamptz,
    checked_at       timestamptz,
    check_at         timestamptz DEFAULT now(),
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment_id, name),
    UNIQUE (environment_id, client_id)
);
COMMENT ON COLUMN domains.name IS 'A-labels in lower case';
COMMENT ON COLUMN domains.status IS 'pending | verifying | verified | failed | suspended';
COMMENT ON COLUMN domains.findings IS 'what the last look found, by record';
COMMENT ON COLUMN domains.held_since IS 'when the name became this claim''s alone; null: it is not';
COMMENT ON COLUMN domains.receives IS 'mail for it is taken here: inbound, held, its MX was found';
COMMENT ON COLUMN domains.relay_key_hosts IS 'where the relay keeps its keys, when it signs';
COMMENT ON COLUMN domains.checks IS 'counts looks and what changes their meaning: a look that was'
    ' overtaken has no effect';
COMMENT ON COLUMN domains.check_at IS 'the next look; null: none by itself';
-- Across all organizations: the second wall does not stand before a constraint.
CREATE UNIQUE INDEX domains_held ON domains (name) WHERE held_since IS NOT NULL;
CREATE INDEX domains_by_organization ON domains (organization_id, id);
CREATE INDEX domains_due ON domains (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX domains_by_catch_all ON domains (catch_all_inbox_id)
    WHERE catch_all_inbox_id IS NOT NULL;

-- Private keys are sealed under the master key, each under its own id.
CREATE TABLE domain_keys (
    id               text COLLATE "C" PRIMARY KEY,
    domain_id        text COLLATE "C" NOT NULL REFERENCES domains ON DELETE CASCADE,
    organization_id  text COLLATE "C" NOT NULL,
    selector         text NOT NULL,
    algorithm        text NOT NULL,
    public_key       text NOT NULL,
    sealed           bytea NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (domain_id, selector)
);
COMMENT ON COLUMN domain_keys.algorithm IS 'rsa | ed25519';
COMMENT ON COLUMN domain_keys.public_key IS 'the p= of its record: base64';

-- No reference: an inbox keeps its mail when its domain goes, and then neither sends nor receives.
ALTER TABLE inboxes ADD COLUMN domain_id text COLLATE "C";
COMMENT ON COLUMN inboxes.domain_id IS 'null: at the shared domain';
CREATE INDEX inboxes_by_domain ON inboxes (domain_id) WHERE domain_id IS NOT NULL;

SELECT wall_off('domains', 'domain_keys');
