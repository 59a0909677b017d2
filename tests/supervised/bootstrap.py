"""The first organization, remembered in a table of its own."""

from agentpost.store.pool import Connection, Database


async def bootstrap(database: Database, key: str | None) -> str | None:
    async def first(connection: Connection) -> str | None:
        await connection.execute("CREATE TABLE IF NOT EXISTS first_start (at timestamptz)")
        if await connection.value("SELECT count(*) FROM first_start"):
            return None
        await connection.execute("INSERT INTO first_start VALUES (now())")
        return key or "ap_sk_live_" + "f" * 32

    return await database.run("*", first, atomic=True)
