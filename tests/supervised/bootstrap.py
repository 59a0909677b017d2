"""The first organization, remembered in a table of its own."""

from dataclasses import dataclass

from agentpost.store.pool import Connection, Database


@dataclass
class First:
    secret: str


async def bootstrap(database: Database, key: str | None) -> First | None:
    async def first(connection: Connection) -> First | None:
        await connection.execute("CREATE TABLE IF NOT EXISTS first_start (at timestamptz)")
        if await connection.value("SELECT count(*) FROM first_start"):
            return None
        await connection.execute("INSERT INTO first_start VALUES (now())")
        return First(key or "ap_sk_live_" + "f" * 32)

    return await database.run("*", first, atomic=True)
